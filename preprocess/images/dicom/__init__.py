"""DICOM films: the header parser, the pixel format, and readers of uncompressed and of compressed pixel data.

May import: `contract`, `runtime`, `images.pixels`.
"""
