"""The training loop and the reports of its progress.

May import: `preprocess.contract`, `preprocess.runtime` and the other packages of `trainer`, except `results`.
"""
