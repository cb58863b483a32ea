"""Loads Keras and its backend, and keeps Python's garbage collection off them.

Loading them creates about a million objects that live until the process ends. Searching
these for garbage takes a fifth of the time to load, to build networks and to exit. So
collection is off while they load, and `gc.freeze` exempts them afterwards.

The module of `net` that a step imports first must import `keras` from here.
"""

import gc
import sys

_first, _enabled = "keras" not in sys.modules, gc.isenabled()
if _first:
    # Collect what is garbage by now, or `gc.freeze` would keep it for ever.
    gc.collect()
    gc.disable()
try:
    import keras as keras
finally:
    if _enabled:
        gc.enable()
if _first:
    gc.freeze()
