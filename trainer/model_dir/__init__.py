"""Reads and writes the files of a model: its folder, checkpoints, identity and tables.

May import: `preprocess.files`, `preprocess.runtime`, `trainer.data`, `trainer.runtime`, `trainer.settings`.
"""
