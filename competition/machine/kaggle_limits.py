"""The limits of Kaggle's sessions and machines."""

# A session of each kind ends after this time.
SESSION = {"train": "12h", "submit": "9h"}
# A session on a TPU ends after this time, and a training there stops before.
TPU_SESSION = "9h"
TPU_BUDGET = "8h30m"
# The bytes of /kaggle/working, of a T4's memory, and of the host's memory.
DISK = 20 * 10**9
T4 = 16 * 10**9
HOST = 30 * 10**9
# The number of T4s in a session.
GPUS = 2
