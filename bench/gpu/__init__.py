"""Prove the project on a machine with a card: `make gpu`. Every part is a process."""
