"""The limits of Kaggle's sessions and machines."""

# After which a session of each kind ends.
SESSION = {"train": "12h", "submit": "9h"}
# After which a session of any kind ends on a TPU, and when a training there stops.
TPU_SESSION = "9h"
TPU_BUDGET = "8h30m"
# Of /kaggle/working, of the memory of a T4, and of that of the host: bytes.
DISK = 20 * 10**9
T4 = 16 * 10**9
HOST = 30 * 10**9
# T4s beside each other in a session.
GPUS = 2
