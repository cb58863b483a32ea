"""One module a peer, each with `PACKAGES` and `train(task, clock)`.

A module imports its packages at its top: where one is missing, the peer is skipped.
"""
