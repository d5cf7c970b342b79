"""Reads a data set back and says what is wrong with it: `python -m pipelines.verify --help`."""

import argparse
from collections.abc import Sequence

from preprocess.dataset.reader import open_dataset
from preprocess.dataset.verify import verify
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log
from preprocess.runtime.text import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 nothing is wrong, 1 something is, 2 no data set is there."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Verifies a data set; a line for each fault.

    Raises:
        InputError: there is no finished data set.
        RunFailed: something is wrong with it.
    """
    data = open_dataset(_parser().parse_args(argv).output)
    faults = verify(data, log)
    for fault in faults:
        log.info(f"{printable(fault.file)}: {printable(fault.what)}")
    if faults:
        files = len({fault.file for fault in faults})
        raise RunFailed(
            f"{data.root}: {len(faults):,} {_plural('fault', len(faults))} in {files:,} {_plural('file', files)}, "
            f"named above; copy these files again, or make the data set again with --force"
        )
    images = sum(data.counts.values())
    log.info(f"{data.root}: {images:,} images in {len(data.files):,} files are what the manifest says, PNG for record")


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.verify",
        description="Reads a data set back: every checksum, PNG, record and table, and whether they tell the same.",
        allow_abbrev=False,
    )
    parser.add_argument("output", metavar="OUT", help="folder or gs:// prefix that pipelines.preprocess wrote")
    return parser


if __name__ == "__main__":
    exit_process(main())
