"""What the training runs on: devices and strategies, the start of TensorFlow, signals.

May import: `preprocess.runtime`, `trainer.options`.
"""
