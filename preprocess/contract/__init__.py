"""The file formats that the preprocessing job writes and the trainers read.

`schema` holds names, sizes and categories; `png`, `example` and `tfrecord` encode and decode images.
May import: nothing of this project outside this package.
"""
