"""The vocabulary of the pipeline: plain data and pure functions, no framework."""
