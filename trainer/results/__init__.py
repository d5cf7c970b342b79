"""The results of a training: predictions, metrics, pictures and exported models.

May import: `preprocess.contract`, `preprocess.runtime` and the other packages of `trainer`.
"""
