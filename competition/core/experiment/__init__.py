"""An experiment and its runs: config, files, history."""
