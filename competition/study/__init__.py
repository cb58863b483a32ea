"""To understand the data rather than to submit."""
