"""The commands: they read arguments, call a step or a study, and print its result."""
