"""The networks, their losses and optimizers, and random numbers for training.

May import: `trainer.data`.
"""
