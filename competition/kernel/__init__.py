"""To Kaggle and back: build a bundle, rehearse it, push it, submit it."""
