"""The summary that a run prints at its end: counts by split and category, and the omissions with their reasons."""

import collections
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from preprocess.cases.diagnosis import explain_omissions
from preprocess.cases.plan import Totals
from preprocess.contract import schema
from preprocess.contract.schema import Omission, Size
from preprocess.runtime.text import printable

EXAMPLES = 3


@dataclass(frozen=True)
class Outcome:
    """The result of a run, or of a dry run.

    Attributes:
        counts: (split, density) -> number of images.
        canvas: (height, width) in pixels; None if it was not measured.
    """

    counts: Mapping[tuple[str, int], int]
    omissions: Sequence[Omission]
    canvas: Size | None
    totals: Totals


def format_outcome(outcome: Outcome) -> str:
    """Formats the counts by split and category, and the omissions with their reasons."""
    lines = [f"{'':14}{'train':>8}{'test':>8}"]
    lines += [
        _row(f"density {density}", [outcome.counts.get((split, density), 0) for split in schema.SPLITS])
        for density in schema.DENSITIES
    ]
    images = [sum(outcome.counts.get((split, d), 0) for d in schema.DENSITIES) for split in schema.SPLITS]
    lines.append(_row("images", images))
    lines.append("")
    kinds = collections.Counter(omission.kind for omission in outcome.omissions)
    totals = outcome.totals
    missing = totals.named - totals.matched
    lines.append(
        f"{totals.named:,} mammograms named, {totals.matched:,} matched to a file, {missing:,} missing, "
        f"{kinds[schema.REJECTED]:,} rejected, {kinds[schema.EXCLUDED]:,} excluded"
    )
    lines.append(
        f"{totals.duplicate_files:,} further files of these mammograms (a readable one is taken: DICOM before PNG and "
        f"TIFF, JPEG last), {totals.overlapping_patients:,} patients in both splits"
    )
    if outcome.canvas:
        lines.append(f"canvas {outcome.canvas[1]} x {outcome.canvas[0]} (width x height)")
    return "\n".join([*lines, *_reasons(outcome.omissions)])


def refusal_lines(outcome: Outcome, max_rejected: float, explain: Callable[[], Sequence[str]]) -> list[str]:
    """Returns what a run would print instead of publishing a data set; empty if it would publish one.

    Args:
        max_rejected: the largest share of rejected mammograms.
        explain: returns lines that explain missing files, see `explain_missing`; called for a refusal only.
    """
    rejected = sum(omission.kind == schema.REJECTED for omission in outcome.omissions)
    if any(outcome.counts.values()) and rejected <= max_rejected * outcome.totals.named:
        return []
    found = f"{rejected:,} of {outcome.totals.named:,} named mammograms are rejected"
    first = f"a run would publish no data set: {found}, and --max_rejected is {max_rejected:g}"
    return ["", first, *map(printable, explain_refusal(outcome.omissions, explain()))]


def explain_refusal(omissions: Sequence[Omission], explanation: Sequence[str]) -> list[str]:
    """Returns the reasons of omissions and the explanation of missing files, the one of more mammograms first."""
    missing = sum(omission.stage == "match" for omission in omissions)
    others = sum(omission.kind == schema.REJECTED for omission in omissions) - missing
    reasons = explain_omissions(omissions)
    return [*explanation, *reasons] if missing > others else [*reasons, *explanation]


def _row(label: str, counts: Sequence[int]) -> str:
    return f"{label:14}" + "".join(f"{count:>8,}" for count in counts)


def _reasons(omissions: Sequence[Omission]) -> list[str]:
    """Formats the number of omissions of each kind and stage, and the first few of them."""
    groups: dict[tuple[str, str], list[Omission]] = collections.defaultdict(list)
    for omission in sorted(omissions):
        groups[omission.kind, omission.stage].append(omission)
    lines = []
    for (kind, stage), group in sorted(groups.items(), reverse=True):
        lines.append(f"{kind} ({stage}): {len(group):,}")
        lines += [f"  {printable(o.mammogram_id)} ({o.split}): {printable(o.reason)}" for o in group[:EXAMPLES]]
        if len(group) > EXAMPLES:
            lines.append(f"  and {len(group) - EXAMPLES:,} more, all in {schema.OMISSIONS_FILE}")
    return lines
