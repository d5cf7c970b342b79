"""Predicts the density of new films; `pipelines.predict` is the command."""
