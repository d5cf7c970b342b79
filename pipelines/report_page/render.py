"""From what is known of a data set and its models to the text of the page."""

import base64
import collections
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.report_page import plots
from pipelines.report_page.thumbnails import Images
from pipelines.report_page.trained_model import Model
from preprocess.contract import schema
from preprocess.contract.schema import Omission
from preprocess.dataset.reader import DataSet
from preprocess.dataset.tables import ImageRow
from preprocess.runtime.text import printable

PRINTED = 60  # thumbnails of a split and category on paper; the style sheet says it, too


@dataclass(frozen=True)
class Section:
    """A model's part of the page: its anchor, its title, and what stands there."""

    key: str
    name: str
    found: Model
    plots: dict[str, Markup]
    facts: list[tuple[str, str]]


def render(path: str, data: DataSet, images: Images, omissions: Sequence[Omission], models: Sequence[Model]) -> str:
    """One HTML page that loads nothing. Text from the data is escaped; plots hold numbers only.

    Args:
        path: of the data set, as its user wrote it: a page that is passed on need not tell more.
    """
    environment = Environment(
        loader=PackageLoader("pipelines.report_page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["shown"] = printable
    script = environment.get_template("viewer.js").render()
    return environment.get_template("report.html").render(
        path=path,
        data=data,
        images=images,
        size=data.size,
        splits=schema.SPLITS,
        densities=schema.DENSITIES,
        totals=_totals(images.rows),
        numbers=_numbers(images.rows),
        number_of={row.name: number for number, row in enumerate(images.rows)},
        printed=PRINTED,
        facts=_facts(data),
        plots={
            "counts": Markup(plots.draw_counts(data.counts)),
            "sizes": Markup(plots.draw_sizes(images.rows)),
            "histograms": Markup(plots.draw_histograms(images.histograms)),
        },
        omissions=omissions,
        omission_groups=_groups(omissions),
        models=[_section(number, model, models) for number, model in enumerate(models, 1)],
        viewer_rows=[_viewer_row(row) for row in images.rows],
        script=Markup(script),
        script_hash=_hash(script),
    )


def _totals(rows: Sequence[ImageRow]) -> dict[str | int, int]:
    return collections.Counter(key for row in rows for key in (row.split, row.density))


def _numbers(rows: Sequence[ImageRow]) -> dict[tuple[str, int], list[int]]:
    """(split, density) -> the numbers of its rows, by case."""
    found: dict[tuple[str, int], list[int]] = {
        (split, density): [] for split in schema.SPLITS for density in schema.DENSITIES
    }
    for number in sorted(range(len(rows)), key=lambda number: rows[number].mammogram_id):
        found[rows[number].split, rows[number].density].append(number)
    return found


def _groups(omissions: Sequence[Omission]) -> list[tuple[tuple[str, str, str], int]]:
    """(kind, stage, reason) -> how many; reasons that name one case each are told by their first."""
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
            groups.append(((kind, stage, f"{len(found):,} different ones, e.g. {example}"), count[kind, stage]))
    return groups


def _facts(data: DataSet) -> list[tuple[str, str]]:
    manifest = data.manifest
    parameters, mammograms = manifest["parameters"], manifest["mammograms"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(manifest["versions"].items()))
    subset = [
        f"{name} {parameters[name]}" for name in ("train_per_category", "test_count") if parameters[name] is not None
    ]
    return [
        ("mammograms named", f"{mammograms['named']:,}"),
        ("matched to a file", f"{mammograms['matched']:,}"),
        ("rejected, excluded", f"{mammograms['rejected']:,}, {mammograms['excluded']:,}"),
        ("views", ", ".join(parameters["views"])),
        ("resample", str(parameters["resample"])),
        ("canvas", f"{manifest['canvas']['width']} × {manifest['canvas']['height']} ({parameters['canvas']})"),
        ("patient overlap", str(parameters["patient_overlap"])),
        *([("subset", ", ".join(subset))] if subset else []),
        ("made with", versions),
        ("fingerprint", manifest["fingerprint"][:16]),
    ]


def _section(number: int, model: Model, models: Sequence[Model]) -> Section:
    key = f"model-{number}"
    metrics = model.metrics
    judged = (metrics["step"], metrics["loss"]) if metrics else None
    right = (metrics["step"], metrics["accuracy"]["value"]) if metrics else None
    names = [other.path.rpartition("/")[2] for other in models]
    name = model.path.rpartition("/")[2]
    return Section(
        key=key,
        name=name if names.count(name) == 1 else f"{name} ({number})",
        found=model,
        plots={
            "loss": Markup(plots.draw_curve(model.steps, model.losses, "loss", f"{key}-loss", judged)),
            "accuracy": Markup(plots.draw_curve(model.steps, model.accuracies, "accuracy", f"{key}-accuracy", right)),
        },
        facts=_model_facts(model),
    )


def _model_facts(model: Model) -> list[tuple[str, str]]:
    training = model.identity["training"]
    facts = [
        ("steps", f"{len(model.steps):,}"),
        ("training images", f"{model.identity['training_set']['images']:,}"),
        *((name.replace("_", " "), str(value)) for name, value in training.items()),
    ]
    if model.speed:
        speed = model.speed
        facts.append(("speed", f"{speed.steps_per_second:.2f} steps/s, {speed.images_per_second:,.0f} images/s"))
        facts.append(("on", speed.device))
    return facts


def _viewer_row(row: ImageRow) -> tuple[str, list[tuple[str, str]]]:
    """What the larger view says of an image."""
    return row.mammogram_id, [
        ("density", str(row.density)),
        ("split", row.split),
        ("patient", row.patient),
        ("side", row.side),
        ("view", row.view),
        ("film", f"{row.source_width:,} × {row.source_height:,} pixels (width × height)"),
        ("file", printable(row.source_file)),
    ]


def _hash(script: str) -> str:
    """What a Content-Security-Policy allows a script by (W3C CSP 3, hash-source)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
