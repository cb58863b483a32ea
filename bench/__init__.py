"""Benchmarks: ratios measured in one run on one machine, not tests with time limits."""
