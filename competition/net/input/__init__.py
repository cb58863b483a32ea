"""The input of training: which slices, in which order, as which batches."""
