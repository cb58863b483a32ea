"""The networks: their input, training and inference.

No other package imports Keras or its backends, and the steps import this one late. It
is an error to import it where Keras would compute on a backend that cannot be used.
"""

import os

from competition.machine import backend

# The libraries read these when they are first imported, so they must be set here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# TensorFlow takes oneDNN's convolutions by itself only where the CPU has AVX-512; on
# others, too, a training step then takes two thirds of the time.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# CUDA would number the fastest GPU first, nvidia-smi numbers them by their places.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

backend.check()
