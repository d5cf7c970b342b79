"""Pictures of an evaluation: the confusion matrix, and some images with what the model says of them."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from trainer.images import ImageSet

SHOWN = 16
_COLUMNS = 8


def draw_confusion(confusion: Sequence[Sequence[int]]) -> bytes:
    """A K x K confusion matrix as a PNG; rows are true categories."""
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    names = [str(category) for category in range(1, len(confusion) + 1)]
    axes = figure.add_subplot()
    ConfusionMatrixDisplay(np.array(confusion), display_labels=names).plot(ax=axes, cmap="Blues", colorbar=False)
    axes.set(xlabel="predicted density", ylabel="true density")
    return _png(figure)


def draw_images(images: ImageSet, probabilities: np.ndarray) -> bytes:
    """Images spread evenly over the set, each with its true and its predicted density, as a PNG."""
    chosen = np.unique(np.linspace(0, len(images) - 1, SHOWN).astype(int))
    rows = -(-len(chosen) // _COLUMNS)
    figure = Figure(figsize=(1.3 * _COLUMNS, 2.1 * rows), layout="constrained")
    for place, index in enumerate(chosen, 1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        axes.imshow(images.pixels[index, :, :, 0], cmap="gray", vmin=0, vmax=65535)
        axes.set_axis_off()
        label, predicted = images.labels[index] + 1, probabilities[index].argmax() + 1
        axes.set_title(
            f"is {label}, says {predicted}\n{probabilities[index].max():.0%}", fontsize=8,
            color="black" if label == predicted else "firebrick",
        )  # fmt: skip
    return _png(figure)


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=100)
    return data.getvalue()
