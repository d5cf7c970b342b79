"""The short table that a run ends with."""

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preprocess import schema
from preprocess.log import printable
from preprocess.resize import Size
from preprocess.schema import Omission

EXAMPLES = 3


@dataclass(frozen=True)
class Outcome:
    """What a run made of its input, or would make of it.

    Attributes:
        counts: (split, density) -> images.
        canvas: (height, width), None where it was not measured.
        named, matched, spare: see `preprocess.plan.Plan`.
        overlap: how many patients both splits name.
    """

    counts: Mapping[tuple[str, int], int]
    omissions: Sequence[Omission]
    canvas: Size | None
    named: int
    matched: int
    spare: int
    overlap: int


def table(outcome: Outcome) -> str:
    """The counts a split and category, then what is left out and why."""
    lines = [f"{'':14}{'train':>8}{'test':>8}"]
    lines += [
        _row(f"density {density}", [outcome.counts.get((split, density), 0) for split in schema.SPLITS])
        for density in schema.DENSITIES
    ]
    totals = [sum(outcome.counts.get((split, d), 0) for d in schema.DENSITIES) for split in schema.SPLITS]
    lines.append(_row("images", totals))
    lines.append("")
    kinds = collections.Counter(omission.kind for omission in outcome.omissions)
    missing = outcome.named - outcome.matched
    lines.append(
        f"{outcome.named:,} mammograms named, {outcome.matched:,} matched to a file, {missing:,} missing, "
        f"{kinds[schema.REJECTED]:,} rejected, {kinds[schema.EXCLUDED]:,} excluded"
    )
    lines.append(
        f"{outcome.spare:,} further files of mammograms that were matched (the lossless one is taken), "
        f"{outcome.overlap:,} patients in both splits"
    )
    if outcome.canvas:
        lines.append(f"canvas {outcome.canvas[1]} x {outcome.canvas[0]} (width x height)")
    return "\n".join([*lines, *_reasons(outcome.omissions)])


def _row(label: str, counts: Sequence[int]) -> str:
    return f"{label:14}" + "".join(f"{count:>8,}" for count in counts)


def _reasons(omissions: Sequence[Omission]) -> list[str]:
    """For each kind and stage how many, and the first few by name."""
    groups: dict[tuple[str, str], list[Omission]] = collections.defaultdict(list)
    for omission in sorted(omissions):
        groups[omission.kind, omission.stage].append(omission)
    lines = []
    for (kind, stage), group in sorted(groups.items(), reverse=True):
        lines.append(f"{kind} ({stage}): {len(group):,}")
        lines += [f"  {printable(o.case)} ({o.split}): {printable(o.reason)}" for o in group[:EXAMPLES]]
        if len(group) > EXAMPLES:
            lines.append(f"  and {len(group) - EXAMPLES:,} more, all in {schema.OMISSIONS_FILE}")
    return lines
