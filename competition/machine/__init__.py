"""The machine a step runs on: its GPUs, its processes, and the time that is left."""
