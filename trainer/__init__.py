"""The density classifiers: one network and one training loop, fed from folders of PNGs or from TFRecords.

Commands: `gpu_model` (PNGs), `tpu_model` (TFRecords). `options` is their command line, `session` runs a training.

Packages, in import order (each imports only packages above it, and `options`):

    data        read images into memory; the order of training batches
    network     the network and its optimizer
    runtime     devices, start of TensorFlow, signals
    model_dir   the files of a model: checkpoints, tables
    loop        the training loop and its progress output
    results     evaluation, metrics, pictures, exports

Of `preprocess`, only `contract`, `runtime` and `files` are imported; Apache Beam is not. TensorFlow is imported after
the images are read and checked, so that wrong input is reported within a second.
"""
