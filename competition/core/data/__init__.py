"""The data as it lies on disk: slices, annotations, tables and prepared arrays."""
