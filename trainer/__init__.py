"""Trains and evaluates density classifiers. Both trainers use the same networks and the same training loop.

Commands: `gpu_model` (reads folders of PNGs), `tpu_model` (reads TFRecords), `evaluate` (evaluates an exported model).
`settings` has the settings of a training, `options` parses the command lines, `session` runs a training.

Packages, in import order (each imports only packages above it, and `settings`):

    data        labelled images in memory; the order of the batches
    network     the networks, losses, augmentation and optimizers
    runtime     devices, import of TensorFlow, signals
    model_dir   the files of a model: checkpoints, identity, tables
    loop        the training loop and its progress output
    results     predictions, validation, baselines, metrics, pictures, exports

Only the packages `contract`, `runtime` and `files` of `preprocess` are imported, and Apache Beam is not. The commands
import TensorFlow after the images are read and checked, so invalid input is reported before this import, which takes
seconds.
"""
