"""Synthetic mammograms and case descriptions, in the data set's real format and with its real quirks."""
