"""One data set as files: how it is written, published under its final names, read back and verified.

May import: `contract`, `runtime`, `files`, `cases`.
"""
