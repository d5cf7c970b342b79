"""Prints how many images of each category the sets of a training have."""

from preprocess.runtime.log import Log
from trainer.data.image_set import ImageSet, shared_patients


def print_image_counts(training: ImageSet, validation: ImageSet | None, evaluation: ImageSet | None, log: Log) -> None:
    """Prints the number of images of each category. Warns about empty categories and patients that are in both sets."""
    sets = {"training": training, "validation": validation, "evaluation": evaluation}
    for use, images in sets.items():
        if images is None:
            continue
        counts = ", ".join(f"{count:,}" for count in images.counts)
        log.info(f"{use}: {len(images):,} images, {counts} of density 1 to {images.categories}")
        for category in images.absent:
            log.warning(f"{images.source}: no {use} image of density {category}")
    if evaluation and (shared := shared_patients(training, evaluation)):
        more = f" and {len(shared) - 3:,} more" if len(shared) > 3 else ""
        log.warning(
            f"patients with both training and evaluation images: {', '.join(shared[:3])}{more}; the metrics will be "
            f"better than on images of other patients"
        )
