"""The commands: what they take, what they call, what they print."""
