"""From the bytes of one film (DICOM, PNG, TIFF or JPEG) to its small image, a (height, width) uint16 array.

May import: `contract`, `runtime`, `files`.
"""
