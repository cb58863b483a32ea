"""What is learned: networks, losses, input, training, inference.

The only package that imports TensorFlow and Keras; the steps import it late.
"""

import os

# Both are read when the libraries are first imported, so they must be set here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
