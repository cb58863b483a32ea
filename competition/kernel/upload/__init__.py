"""From this machine to Kaggle: push a bundle, submit it, read its score."""
