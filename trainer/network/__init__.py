"""The networks, their losses and optimizers, augmentation, and random numbers for training.

May import: `preprocess.contract`, `trainer.data`, `trainer.settings`.
"""
