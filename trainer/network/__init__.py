"""The network and its optimizer.

May import: `trainer.data`.
"""
