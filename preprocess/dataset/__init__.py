"""One data set as files: written, published under its final names, read back, verified, and described (`cards`).

May import: `contract`, `runtime`, `files`, `cases`.
"""
