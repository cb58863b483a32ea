"""The data on disk: slices, annotations, tables and prepared arrays."""
