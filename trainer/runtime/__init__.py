"""Devices and distribution strategies, the import of TensorFlow, and signals.

May import: `preprocess.runtime`, `trainer.settings`.
"""
