"""The training loop and its progress output.

May import: `preprocess.contract`, `preprocess.runtime` and the other packages of `trainer`, except `results`.
"""
