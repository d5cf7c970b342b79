"""Explains why a whole input cannot be used: the reasons with their counts and examples, and established causes.

Each function returns lines for the user; the first lines name the most likely cause.
"""

import collections
import re
from collections.abc import Iterable, Sequence

from preprocess.cases import catalogue
from preprocess.cases.descriptions import Mammogram
from preprocess.cases.identity import PathParts, split_path
from preprocess.cases.locate import ARCHIVE, OWN_OUTPUT, FilmIndex, file_name_key, keys_in, keys_of, reason_to_ignore
from preprocess.contract.schema import Omission

EXAMPLES = 3

_WHERE = re.compile(r"(^|: )[^:]*, line \d+: ")
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:[.,]\d+)*|\b\w+-\w+_P_\w+")
_SAMPLE_FILE = "SYNTHETIC.txt"

_ARCHIVE, _OWN, _CROP, _UUID, _OTHER_CASE, _UNKNOWN = (
    "archive", "own output", "crop", "IDC bucket", "other mammogram", "no identity",
)  # fmt: skip
_ADVICE = {
    _ARCHIVE: "the input contains archives, which are not unpacked: unpack them",
    _OWN: "--input contains images of a data set that this job has made: give the folder of the films",
    _CROP: "the input contains crops and ROI masks: download the full mammograms (series `full mammogram images`)",
    _UUID: "the files are named as in the bucket of the Imaging Data Commons (IDC), where no path identifies a "
    "mammogram: use --input idc, or download with idc-index, whose folders contain the SeriesInstanceUIDs",
    _OTHER_CASE: "the films are of other mammograms than the case descriptions name, or without these, the catalogue "
    "of CBIS-DDSM: give the case descriptions of these films",
}


def explain_missing(named: Sequence[Mammogram], index: FilmIndex) -> list[str]:
    """Explains why mammograms have no file below the input root; the most likely causes are the first lines.

    Args:
        named: all mammograms of the case descriptions.
        index: the files that were searched. Those of other mammograms are left out of the explanation.

    Returns:
        No line if all mammograms have a file.
    """
    missing = [mammogram for mammogram in named if not index.locate(mammogram).files]
    if not missing:
        return []
    lines = name_links_out(index.links_out)
    faults = [mammogram.fault for mammogram in missing if mammogram.fault]
    if 2 * len(faults) > len(missing):
        lines.append(f"{len(faults):,} of {len(named):,} mammograms have faults in the case descriptions:")
        lines += _grouped(faults)
    described = {key for mammogram in named for key in keys_of(mammogram)}
    seen: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    unused = 0
    for path in sorted(index.paths):
        parts = split_path(path)
        if reason_to_ignore(parts) or described.isdisjoint(keys_in(parts)):
            kind, reason = _why_not(parts, described)
            seen[kind].append((path, reason))
            unused += 1
    kinds = sorted(seen, key=lambda kind: -len(seen[kind]))
    if _SAMPLE_FILE in index.paths and len(missing) == len(named):
        lines.append("the input is a sample of pipelines.make_sample: give the case descriptions in the same folder")
    else:
        lines += [_ADVICE[kind] for kind in kinds if kind in _ADVICE]
    if unused:
        examples = [group[0] for group in (seen[kind] for kind in kinds)]
        examples += [example for kind in kinds for example in seen[kind][1:]]
        which = "files are" if unused == len(index.paths) else f"of {len(index.paths):,} files are not used"
        lines.append(f"{unused:,} {which} below the input root, for example:")
        lines += [f"  {path}: {reason}" for path, reason in examples[:EXAMPLES]]
    sound = next((mammogram for mammogram in missing if not mammogram.fault), None)
    if sound:
        names = [name for name in (sound.uids[1], sound.mammogram_id) if name]
        expected = " or a file named ".join(names)
        lines.append(f"expected for {sound.mammogram_id}: a folder or file named {expected}; see docs/data.md")
    return lines


def name_links_out(links: Sequence[str]) -> list[str]:
    """Names the linked folders that are not followed, see `Listing.links_out`."""
    lines = [
        f"a linked folder leads out of the input root and is not followed: {link}; give its target as --input"
        for link in links[:EXAMPLES]
    ]
    return [*lines, f"and {len(links) - EXAMPLES:,} more linked folders"] if len(links) > EXAMPLES else lines


def explain_omissions(omissions: Iterable[Omission]) -> list[str]:
    """Returns the reasons of omissions, the most frequent first, each with its count and an example."""
    groups: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for omission in sorted(omissions):
        source = f" ({omission.source})" if omission.stage in ("header", "canvas", "pixels") else ""
        groups[omission.kind, omission.stage].append(f"{omission.mammogram_id}{source}: {omission.reason}")
    lines = []
    for (kind, stage), texts in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        lines.append(f"{kind} ({stage}): {len(texts):,}")
        lines += _grouped(texts)
    return lines


def _grouped(texts: Sequence[str]) -> list[str]:
    """Groups texts that differ in names and numbers only; returns a line for each of the largest groups."""
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for text in texts:
        groups[without_variables(_WHERE.sub(r"\1", text))].append(text)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0]))
    lines = [f"  {len(group):,} x, for example {group[0]}" for group in ordered[: 2 * EXAMPLES]]
    return [*lines, f"  and {len(ordered) - len(lines):,} other reasons"] if len(ordered) > len(lines) else lines


def without_variables(text: str) -> str:
    """Returns a text with … in place of its names and numbers."""
    return _VARIABLE.sub("…", text)


def _why_not(parts: PathParts, described: set[str]) -> tuple[str, str]:
    """Returns why a file was not taken: the kind of the reason, and the reason."""
    if reason := reason_to_ignore(parts):
        return {ARCHIVE: _ARCHIVE, OWN_OUTPUT: _OWN}.get(reason, "ignored"), reason
    if parts.is_of_abnormality:
        return _CROP, "it is a crop or a ROI mask"
    named = (
        catalogue.by_series().get(uid) or catalogue.by_idc_folder().get(uid) for uid in (*parts.uids, *parts.uuids)
    )
    if entry := next(filter(None, named), None):
        return _OTHER_CASE, f"it is {entry.mammogram_id}, which the case descriptions do not name"
    if parts.uuids and not parts.mammogram_ids and not parts.uids:
        return _UUID, "its folder is named by a UUID that the catalogue does not contain"
    unknown = [name for name in parts.mammogram_ids if file_name_key(name) not in described]
    if unknown:
        return _OTHER_CASE, f"it is {unknown[0]}, which the case descriptions do not name"
    if parts.is_in_mask_folder:
        return _CROP, "its folder is named like one of masks or crops"
    if parts.mammogram_ids:
        return _UNKNOWN, "its path contains a mammogram ID, but not the UID of the series of the full mammogram"
    if parts.uids:
        return _OTHER_CASE, f"the case descriptions do not contain its UID {parts.uids[-1]}"
    return _UNKNOWN, "its path contains neither a mammogram ID nor a UID"
