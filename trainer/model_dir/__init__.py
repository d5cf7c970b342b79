"""The files of a model: its folder, checkpoints, identity and tables, written atomically.

May import: `preprocess.files`, `preprocess.runtime`, `trainer.data`, `trainer.options`.
"""
