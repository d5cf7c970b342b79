"""`data_card.md`: what a data set is, for people.

Its sections: what it is; source, licence and citation; counts; what was left out and why; how it was made; known
faults; how it is loaded.
"""

import collections
import textwrap
from collections.abc import Collection, Iterator, Sequence

from preprocess.cases.diagnosis import explain_omissions
from preprocess.contract import schema
from preprocess.contract.schema import Omission, Size
from preprocess.dataset.cards.source import source_of
from preprocess.dataset.recipe import PreparedImage, Recipe
from preprocess.runtime.text import printable

_METHODS = {
    "area": "every pixel is the mean of the rectangle of the canvas that it covers, rounded",
    "nearest": "every pixel is one pixel of the canvas, as in the tutorial of 2018",
}
_OVERLAP = {
    "drop": "Training mammograms of patients who are also in the test descriptions are left out.",
    "error": "No patient is in the descriptions of both splits.",
    schema.KEEP: "**Patients may be in both splits**: this data set was made with `--patient_overlap keep`.",
}
_LOAD = f"""\
`OUT` is the folder of this file. `docs/data_set.md` of the project has more, also for Keras and PyTorch.

```python
tfds.builder_from_directory("OUT/{schema.TFDS_FILES[0].partition("/")[0]}").as_dataset(split="train")
datasets.load_dataset("imagefolder", data_dir="OUT")
mlcroissant.Dataset(jsonld="OUT/{schema.CROISSANT_FILE}").records("table")
```

`{schema.MANIFEST_FILE}` has the SHA-256 of every file; `python -m pipelines.verify OUT` compares all of them."""


def data_card(images: Collection[PreparedImage], omissions: Sequence[Omission], canvas: Size, recipe: Recipe) -> bytes:
    """Returns `data_card.md`.

    Args:
        canvas: (height, width) in pixels to which films were padded.
    """
    source = source_of(recipe)
    parameters = recipe.parameters
    sections = {
        "What it is": _paragraph(
            f"{len(images):,} mammograms with their BI-RADS density category (1: almost entirely fatty, to 4: "
            f"extremely dense), as 16-bit grayscale PNGs and as TFRecords of the same pixels. It serves to train and "
            f"to compare classifiers of breast density. It is not meant for clinical use."
        ),
        "Source, licence and citation": "\n\n".join(
            map(_paragraph, filter(None, (source.licence, recipe.attribution, *source.citations)))
        ),
        "Counts": _counts(images),
        "What was left out": _left_out(omissions, recipe),
        "How it was made": "\n".join(
            _bullet(line)
            for line in (
                f"Each film is padded with black on the right and at the bottom to {canvas[1]:,} x {canvas[0]:,} "
                f"pixels (width x height), and resized to {parameters.image_width} x {parameters.image_height} pixels.",
                f"Method `{parameters.resample}`: {_METHODS[parameters.resample]}.",
                f"Views: {', '.join(parameters.views)}. {_OVERLAP[parameters.patient_overlap]}",
                "Films of fewer than 16 bits are scaled to the full range; MONOCHROME1 and WhiteIsZero are inverted. "
                "Nothing else is done to the gray values.",
                f"`{schema.MANIFEST_FILE}` has all options and the versions of the libraries. The same films and "
                f"options give the same bytes.",
            )
        ),
        "Known faults": "\n".join(map(_bullet, source.faults)),
        "How to load it": _LOAD,
    }
    text = "".join(f"\n## {title}\n\n{content}\n" for title, content in sections.items())
    return f"# {source.title}\n{text}".encode()


def _counts(images: Collection[PreparedImage]) -> str:
    lines = ["| | train | test |", "|---|---:|---:|"]
    counted: collections.Counter[tuple[str, int]] = collections.Counter()
    patients: dict[str, set[str]] = {split: set() for split in schema.SPLITS}
    for image in images:
        counted[image.film.split, image.film.density] += 1
        patients[image.film.split].add(image.film.patient)
    lines += [_row(f"density {d}", [counted[split, d] for split in schema.SPLITS]) for d in schema.DENSITIES]
    lines.append(_row("images", [sum(counted[split, d] for d in schema.DENSITIES) for split in schema.SPLITS]))
    lines.append(_row("patients", [len(patients[split]) for split in schema.SPLITS]))
    return "\n".join(lines)


def _left_out(omissions: Sequence[Omission], recipe: Recipe) -> str:
    """Returns the number of omissions and their reasons. The reasons are a code block, so their text is not markup."""
    text = _paragraph(
        f"The case descriptions name {recipe.totals.named:,} mammograms. {len(omissions):,} of them are not in this "
        f"data set; `{schema.OMISSIONS_FILE}` has a line with the reason for each. *Rejected* means that a film is "
        f"missing or cannot be used, *excluded* that the options leave it out."
    )
    return "\n\n".join([text, *(["\n".join(_code(omissions))] if omissions else [])])


def _code(omissions: Sequence[Omission]) -> Iterator[str]:
    for line in explain_omissions(omissions):
        yield f"    {printable(line)}"


def _row(label: str, counts: Sequence[int]) -> str:
    return f"| {label} | {' | '.join(f'{count:,}' for count in counts)} |"


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _bullet(text: str) -> str:
    return textwrap.fill(
        text, 120, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
