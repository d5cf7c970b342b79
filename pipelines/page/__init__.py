"""The report: one HTML page that shows a data set and the models trained on it."""
