"""Loads Keras and its backend, and keeps Python's garbage collection off them.

They are a million objects, which stay until the end. Python looks through all objects
again and again: while it loads these, that is a fifth of the time, and at the end as
much; between, it is a fifth of the time in which networks are built and traced.
"""

import gc

_enabled = gc.isenabled()
gc.disable()
try:
    import keras as keras
finally:
    if _enabled:
        gc.enable()
gc.freeze()
