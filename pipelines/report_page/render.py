"""Renders the report on a data set and its models as an HTML page."""

import collections
from collections.abc import Sequence

from markupsafe import Markup

from pipelines.report_page import plots
from pipelines.report_page.model_section import make_section
from pipelines.report_page.page import render_page
from pipelines.report_page.thumbnails import Images
from pipelines.report_page.trained_model import TrainedModel
from preprocess.contract import schema
from preprocess.contract.schema import Omission
from preprocess.dataset.reader import DataSet
from preprocess.dataset.tables import ImageRow
from preprocess.runtime.text import printable

PRINTED = 60  # largest number of thumbnails of a split and category in print; style.css contains it, too


def render(
    path: str, data: DataSet, images: Images, omissions: Sequence[Omission], models: Sequence[TrainedModel]
) -> str:
    """Returns one HTML page that loads no other files. Text from the data is escaped; plots contain numbers only.

    Args:
        path: of the data set, as the user wrote it; the absolute path may be private, and the page may be passed on.
    """
    return render_page(
        "pipelines.report_page",
        "report.html",
        "viewer.js",
        path=path,
        data=data,
        images=images,
        size=data.size,
        splits=schema.SPLITS,
        densities=schema.DENSITIES,
        totals=_totals(images.rows),
        indices=_indices(images.rows),
        index_of={row.name: index for index, row in enumerate(images.rows)},
        printed=PRINTED,
        facts=_facts(data),
        plots={
            "counts": Markup(plots.draw_counts(data.counts)),
            "sizes": Markup(plots.draw_sizes(images.rows)),
            "histograms": Markup(plots.draw_histograms(images.histograms)),
        },
        omissions=omissions,
        omission_groups=_groups(omissions),
        sections=[make_section(number, model, models) for number, model in enumerate(models, 1)],
        viewer_rows=[_viewer_row(row) for row in images.rows],
    )


def _totals(rows: Sequence[ImageRow]) -> dict[str | int, int]:
    """Returns split -> number of images, and density -> number of images, in one dict."""
    return collections.Counter(key for row in rows for key in (row.split, row.density))


def _indices(rows: Sequence[ImageRow]) -> dict[tuple[str, int], list[int]]:
    """Returns (split, density) -> indices of its rows, sorted by mammogram ID."""
    indices: dict[tuple[str, int], list[int]] = {
        (split, density): [] for split in schema.SPLITS for density in schema.DENSITIES
    }
    for index in sorted(range(len(rows)), key=lambda index: rows[index].mammogram_id):
        indices[rows[index].split, rows[index].density].append(index)
    return indices


def _groups(omissions: Sequence[Omission]) -> list[tuple[tuple[str, str, str], int]]:
    """Returns ((kind, stage, reason), number of mammograms) pairs.

    More than five different reasons of a kind and stage are one group, with an example.
    """
    stages = {stage: number for number, stage in enumerate(schema.STAGES)}
    count = collections.Counter((o.kind, o.stage) for o in omissions)
    reasons: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for omission in omissions:
        reasons[omission.kind, omission.stage][printable(omission.reason)] += 1
    groups = []
    for kind, stage in sorted(count, key=lambda key: (key[0] != schema.REJECTED, stages.get(key[1], 0))):
        found = reasons[kind, stage]
        if len(found) <= 5:
            groups += [((kind, stage, reason), number) for reason, number in sorted(found.items())]
        else:
            example = min(found)
            groups.append(((kind, stage, f"{len(found):,} different reasons, e.g. {example}"), count[kind, stage]))
    return groups


def _facts(data: DataSet) -> list[tuple[str, str]]:
    manifest = data.manifest
    parameters, mammograms = manifest["parameters"], manifest["mammograms"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(manifest["versions"].items()))
    subset = [
        f"{name} {parameters[name]}" for name in ("train_per_category", "test_count") if parameters[name] is not None
    ]
    return [
        ("mammograms in the CSVs", f"{mammograms['named']:,}"),
        ("matched to a file", f"{mammograms['matched']:,}"),
        ("rejected, excluded", f"{mammograms['rejected']:,}, {mammograms['excluded']:,}"),
        ("views", ", ".join(parameters["views"])),
        ("resample", str(parameters["resample"])),
        ("canvas", f"{manifest['canvas']['width']} × {manifest['canvas']['height']} ({parameters['canvas']})"),
        ("patient overlap", str(parameters["patient_overlap"])),
        *([("subset", ", ".join(subset))] if subset else []),
        ("software", versions),
        ("fingerprint", manifest["fingerprint"][:16]),
    ]


def _viewer_row(row: ImageRow) -> tuple[str, list[tuple[str, str]]]:
    """Returns the title and the (name, value) pairs of the larger view of an image."""
    return row.mammogram_id, [
        ("density", str(row.density)),
        ("split", row.split),
        ("patient", row.patient),
        ("side", row.side),
        ("view", row.view),
        ("film", f"{row.source_width:,} × {row.source_height:,} pixels (width × height)"),
        ("file", printable(row.source_file)),
    ]
