"""The density classifiers that read the training set. Not written yet."""
