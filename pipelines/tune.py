"""Searches for good hyperparameters on the training side of a data set: `python -m pipelines.tune --help`."""

import argparse
import sys
from collections.abc import Sequence

from pipelines.tuning import space as spaces
from pipelines.tuning.search import PAGE_FILE, SEARCH_FILE, TABLE_FILE, Search, check_identity
from pipelines.tuning.slots import make_slots
from pipelines.tuning.table import METRICS
from preprocess.files import storage
from preprocess.files.lock import locked
from preprocess.runtime.arguments import CommandParser
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.data.image_set import ImageSet
from trainer.data.png_folder import read_folder
from trainer.data.validation_split import split_for_validation
from trainer.options import positive
from trainer.settings import Settings

TRIALS = 20  # by default


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Trains every trial on the folds, and writes the table and the page.

    Raises:
        InputError: an option, a hyperparameter or an image is wrong, or the folder contains another search.
        RunFailed: a training failed.
    """
    search, workers = _parse(list(sys.argv[1:] if argv is None else argv))
    search.check()
    slots = make_slots(workers)
    images = _read_images(search, log)

    from pipelines.tuning.page import render  # Matplotlib is slow to import, so the errors above are reported before
    from pipelines.tuning.rounds import Outcome, run_rounds
    from pipelines.tuning.table import format_table, ranked, score
    from pipelines.tuning.trainings import open_trainings

    def write_table(outcomes: Sequence[Outcome]) -> None:
        table = format_table(outcomes, search.trials, search.metric)
        storage.write(str(search.root / TABLE_FILE), table)

    with locked(str(search.root), "--output"):
        check_identity(search.root / SEARCH_FILE, search.identity(images.digest))
        with open_trainings(search, slots, log) as trainings:
            outcomes = run_rounds(
                len(search.trials), search.folds, trainings.run, lambda results: score(results, search.metric),
                write_table, log,
            )  # fmt: skip
        order = ranked(outcomes, search.metric)
        storage.write(str(search.root / PAGE_FILE), render(search, images, order).encode())
    best = order[0].trial
    values = ", ".join(f"{name} {value}" for name, value in search.trials[best - 1].items())
    log.info(f"the best is trial {best}: {values}")
    log.info("this command trains it on all training images, and evaluates it once on the test images:")
    log.info(search.final_command(best))
    log.info(f"look at {storage.join(search.output, PAGE_FILE)}")


def _read_images(search: Search, log: Log) -> ImageSet:
    """Reads the training images, and checks that every fold has patients.

    Raises:
        InputError: an image is wrong, or a fold is empty.
    """
    settings = search.settings()
    images = read_folder(search.training_folder, settings.size, settings.categories, log)
    for fold in range(search.folds):
        try:
            split_for_validation(images, Settings("", folds=search.folds, fold=fold))
        except InputError as error:
            raise InputError(f"{str(error).partition('; ')[0]}; give another number of --folds") from error
    return images


def _parse(words: list[str]) -> tuple[Search, int | None]:
    """Returns the search and --workers.

    Raises:
        InputError: an option is wrong or missing.
    """
    at = words.index("--") if "--" in words else len(words)
    options = make_parser().parse_args(words[:at])
    output, data = (f"{storage.absolute(path)}/" for path in (options.output, options.data))
    if not storage.is_local(options.output):
        raise InputError(f"--output {options.output}: trainings are started on this machine; name a local folder")
    if output.startswith(data):
        raise InputError(f"--output {options.output} is inside --data {options.data}; name a folder outside it")
    space, trials, seed = _trials(options)
    search = Search(
        options.data, options.output, space, trials, options.folds, seed, options.metric, words[at + 1 :]
    )  # fmt: skip
    return search, options.workers


def _trials(options: argparse.Namespace) -> tuple[spaces.Space, list, int | None]:
    """Returns the space, its trials, and the seed with which they are drawn; None for a grid."""
    from pipelines.tuning import drawing  # Optuna is slow to import

    if options.grid:
        if options.trials or options.seed:
            raise InputError("--trials and --seed are for --search; --grid runs all its combinations")
        grid = spaces.parse_grid(options.grid)
        return grid, drawing.all_combinations(grid), None
    if not 0 <= options.seed < 2**32:
        raise InputError(f"--seed {options.seed}: expected a whole number, 0 to 2^32 - 1")
    space = spaces.read_space(options.search)
    return space, drawing.draw_trials(space, options.trials or TRIALS, options.seed), options.seed


def make_parser() -> CommandParser:
    """Returns the parser of the options before --."""
    parser = CommandParser(
        prog="python -m pipelines.tune",
        description="Searches for good hyperparameters. Every trial is trained on folds of the training patients; "
        "after each fold, the trials below the median are dropped. Test images are not read. To continue a search that "
        "was stopped, run the same command again.",
        epilog=f"Hyperparameters: {', '.join(spaces.SEARCHED)}. They, and other options of all trainings, are "
        "explained by python -m trainer.gpu_model --help.",
        usage="%(prog)s --data OUT (--search SPACE.yaml | --grid NAME=VALUE,... [...]) --output DIR [options] "
        "[-- options of all trainings, e.g. --training_steps 300]",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--data", required=True, metavar="OUT", help="folder or gs:// prefix that pipelines.preprocess wrote")
    trials = parser.add_mutually_exclusive_group(required=True)
    trials.add_argument(
        "--search", metavar="SPACE.yaml",
        help="draw trials from this space, e.g. a file with the lines 'learning_rate: {low: 0.0003, high: 0.01, log: "
        "true}' and 'loss: [ordinal, crossentropy]'",
    )  # fmt: skip
    trials.add_argument("--grid", nargs="+", metavar="NAME=VALUES",
                        help="try all combinations, e.g. learning_rate=0.001,0.003 batch_size=32,64")  # fmt: skip
    add("--trials", type=positive, metavar="N", help=f"number of trials with --search (default {TRIALS})")
    add("--seed", type=int, default=0, metavar="S", help="of the draws with --search (default 0)")
    add("--folds", type=positive, default=5, metavar="N", help="of the training patients (default 5)")
    add("--metric", choices=METRICS, default="kappa",
        help="compares the trials, at the validation with the highest kappa (default kappa)")  # fmt: skip
    add("--workers", type=positive, metavar="W",
        help="trainings at the same time (default: one for each GPU, otherwise one for each 4 cores)")  # fmt: skip
    add("--output", required=True, metavar="DIR", help="local folder for the trials, trials.csv and tuning.html")
    return parser


if __name__ == "__main__":
    exit_process(main())
