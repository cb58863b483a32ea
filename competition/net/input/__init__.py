"""The input of the networks.

`training_samples` is the page of training: it chooses rows (`sampling`), gathers images
(`stack_samples`, or `volumetric.patch_samples`), augments them (`net.augment`) and
returns NumPy batches, which `training_data` feeds to `fit`. `scan_batches` shows the
networks a scan that is to be predicted.
"""
