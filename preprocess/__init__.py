"""Mammograms in, training set out: the logic of one image and of one data set."""
