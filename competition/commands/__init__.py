"""The commands: they read arguments, call a step or a study, and print its result.

Each imports in its function what it calls, so that `--help` loads no slow library.
"""
