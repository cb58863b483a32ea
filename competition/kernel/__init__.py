"""Build a bundle for Kaggle, rehearse it, push it and submit it."""
