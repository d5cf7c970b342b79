"""The density classifiers: one network and one loop, fed from folders of PNGs or from TFRecords.

`gpu_model` and `tpu_model` are the commands. Of the rest, only what needs it imports TensorFlow: the data are read and
checked before, so that wrong input is said within a second.
"""
