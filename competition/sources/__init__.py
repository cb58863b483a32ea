"""Where a competition folder can come from."""
