"""Reads labelled images from PNG folders or TFRecords into memory, and divides them into batches.

May import: `preprocess.contract`, `preprocess.files`, `preprocess.runtime`.
"""
