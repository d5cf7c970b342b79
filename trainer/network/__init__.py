"""The network of the tutorial and its optimizer.

May import: `trainer.data`.
"""
