"""Loads Keras and its backend, and keeps Python's garbage collection off them.

They are a million objects, which stay until the end. Python looks through all objects
again and again: while it loads these, that is a fifth of the time, and at the end as
much; between, it is a fifth of the time in which networks are built and traced.

Whatever of `net` steps import first takes `keras` from here.
"""

import gc
import sys

_first, _enabled = "keras" not in sys.modules, gc.isenabled()
if _first:
    # What is garbage by now must not stay for ever.
    gc.collect()
    gc.disable()
try:
    import keras as keras
finally:
    if _enabled:
        gc.enable()
if _first:
    gc.freeze()
