"""DICOM films: header parser, pixel format, and readers of uncompressed, deflated and compressed pixel data.

May import: `contract`, `runtime`, `images.pixels`.
"""
