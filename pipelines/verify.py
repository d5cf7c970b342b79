"""Verifies a data set and lists its faults: `python -m pipelines.verify --help`."""

from collections.abc import Sequence

from preprocess.dataset.reader import open_dataset
from preprocess.dataset.verify import verify
from preprocess.runtime.arguments import CommandParser
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log
from preprocess.runtime.text import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 no fault, 1 faults, 2 no data set; see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Verifies a data set and prints a line for each fault.

    Raises:
        InputError: there is no finished data set.
        RunFailed: it has at least one fault.
    """
    data = open_dataset(_parser().parse_args(argv).output)
    faults = verify(data, log)
    for fault in faults:
        log.info(f"{printable(fault.file)}: {printable(fault.what)}")
    if faults:
        files = len({fault.file for fault in faults})
        raise RunFailed(
            f"{data.root}: {len(faults):,} {_plural('fault', len(faults))} in {files:,} {_plural('file', files)}, "
            f"listed above; copy these files again, or make the data set again with --force"
        )
    images = sum(data.counts.values())
    log.info(
        f"{data.root}: {images:,} images in {len(data.files):,} files agree with the manifest, "
        f"and each PNG with its record"
    )


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m pipelines.verify",
        description="Compares the files of a data set with the manifest, and PNGs, records and tables with each other.",
        allow_abbrev=False,
    )
    parser.add_argument("output", metavar="OUT", help="folder or gs:// prefix that pipelines.preprocess wrote")
    return parser


if __name__ == "__main__":
    exit_process(main())
