"""Writes an HTML page about a data set and the models trained on it: `python -m pipelines.report --help`."""

from collections.abc import Sequence

from preprocess.contract import schema
from preprocess.dataset.reader import open_dataset
from preprocess.files import storage
from preprocess.runtime.arguments import CommandParser
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Reads the data set and the models, and writes the page.

    Raises:
        InputError: the data set or a model does not exist or is damaged, or the page cannot be written.
    """
    options = _parser().parse_args(argv)
    data = open_dataset(options.output)

    # Matplotlib is slow to import, so the errors above are reported before.
    from pipelines.report_page.render import render
    from pipelines.report_page.thumbnails import read_images
    from pipelines.report_page.trained_model import read_model

    models = [read_model(path) for path in options.model_dir]
    page = render(options.output, data, read_images(data, log), data.read_omissions(), models).encode()
    target = storage.absolute(options.html) if options.html else data.path(schema.REPORT_FILE)
    try:
        storage.write(target, page)
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({storage.error_message(error)}); name another file with --html"
        ) from error
    log.info(f"{target}: {len(page) / 1e6:.1f} MB, {sum(data.counts.values()):,} images, {len(models)} models")


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m pipelines.report",
        description="Writes an HTML page, which loads no other files, about a data set and the models trained on it.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("output", metavar="OUT", help="folder or gs:// prefix that pipelines.preprocess wrote")
    add("--model_dir", nargs="+", default=[], metavar="DIR", help="one or more model folders that a trainer wrote")
    add("--html", metavar="FILE", help=f"file to which the page is written (default OUT/{schema.REPORT_FILE})")
    return parser


if __name__ == "__main__":
    exit_process(main())
