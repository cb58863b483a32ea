"""Where it runs: the devices that are there, and the time that is left."""
