"""What comes out of a training: predictions, metrics, pictures and exports.

May import: `preprocess.contract`, `preprocess.runtime` and the other packages of `trainer`.
"""
