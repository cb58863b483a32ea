"""The limits of Kaggle's sessions and machines."""

# After which a session of each kind ends.
SESSION = {"train": "12h", "submit": "9h"}
# Of /kaggle/working, and of the memory of a T4: bytes.
DISK = 20 * 10**9
T4 = 16 * 10**9
