"""Draws the pictures of an evaluation: confusion matrix, reliability, some images with their predicted categories."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from trainer.data.image_set import ImageSet
from trainer.results.reliability import Calibration

SHOWN = 16  # images in a picture
_COLUMNS = 8
_DPI = 100
_MARGINS = (40, 8)
"""Margin above an image, for two lines of text, and margin beside it, in pixels."""


def draw_confusion(confusion: Sequence[Sequence[int]]) -> bytes:
    """Returns a PNG of a K x K confusion matrix, whose rows are the true categories."""
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    names = [str(category) for category in range(1, len(confusion) + 1)]
    axes = figure.add_subplot()
    ConfusionMatrixDisplay(np.array(confusion), display_labels=names).plot(ax=axes, cmap="Blues", colorbar=False)
    axes.set(xlabel="predicted density", ylabel="true density")
    return _png(figure)


def draw_reliability(calibration: Calibration) -> bytes:
    """Returns a PNG of accuracy against mean confidence of each bin with images, and the number of images below.

    Points on the diagonal are calibrated; below it, the confidence is higher than the accuracy.
    """
    figure = Figure(figsize=(4.5, 5), layout="constrained")
    axes, counts = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    bins = [found for found in calibration.bins if found.count]
    axes.plot([0, 1], [0, 1], color="gray", linewidth=0.8)
    axes.plot([found.confidence for found in bins], [found.accuracy for found in bins], "o-", color="tab:blue")
    axes.set(ylabel="accuracy", ylim=(0, 1.03), title=f"expected calibration error {calibration.expected_error:.3f}")
    counts.stairs(
        [found.count for found in calibration.bins], [0, *(found.high for found in calibration.bins)], fill=True
    )
    counts.set(xlabel="highest probability (confidence)", ylabel="images", xlim=(0, 1))
    return _png(figure)


def draw_images(images: ImageSet, probabilities: np.ndarray) -> bytes:
    """Returns a PNG of up to 16 images, evenly spaced in the set, below their true and predicted categories.

    The images are shown at their original size.

    Args:
        probabilities: (N, categories) floats.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, SHOWN).astype(int))
    height, width = (side + margin for side, margin in zip(images.pixels.shape[1:3], _MARGINS, strict=True))
    rows = -(-len(chosen) // _COLUMNS)
    figure = Figure(figsize=(width * _COLUMNS / _DPI, height * rows / _DPI), dpi=_DPI)
    for place, index in enumerate(chosen):
        row, column = divmod(place, _COLUMNS)
        left, bottom = column * width, (rows - 1 - row) * height
        figure.figimage(images.pixels[index, :, :, 0], left, bottom, cmap="gray", vmin=0, vmax=65535)
        label, predicted = images.labels[index] + 1, probabilities[index].argmax() + 1
        figure.text(
            (column + 0.5) / _COLUMNS, (bottom + height - 4) / (height * rows),
            f"is {label}, says {predicted}\n{probabilities[index].max():.0%}", fontsize=8, ha="center", va="top",
            color="black" if label == predicted else "firebrick",
        )  # fmt: skip
    return _png(figure)


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=_DPI)
    return data.getvalue()
