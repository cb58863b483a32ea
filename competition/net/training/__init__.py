"""Training a fold: losses, step, schedule, callbacks, checkpoints."""
