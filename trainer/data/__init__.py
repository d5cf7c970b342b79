"""Labelled images in memory: read from PNG folders or TFRecords, and divided into batches.

May import: `preprocess.contract`, `preprocess.files`, `preprocess.runtime`.
"""
