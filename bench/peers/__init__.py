"""This project and its peers on the same volumes, one core each: `-m bench.peers`."""
