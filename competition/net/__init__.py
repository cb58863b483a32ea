"""The networks: their input, training and inference.

No other package imports Keras or its backends, and the steps import this one late.
Importing it raises an error if Keras would compute on a backend that cannot be used.
"""

import os

from competition.machine import backend

# The libraries read these when they are first imported, so they must be set here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# By default TensorFlow uses oneDNN's convolutions only on a CPU with AVX-512. On other
# CPUs, too, a training step with them takes two thirds of the time.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Number GPUs by their slots, as nvidia-smi does; CUDA would begin with the fastest.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

backend.check()
