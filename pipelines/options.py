"""The command line of the preprocessing job: its own options, and Beam's, none of them misspelt."""

import argparse
import difflib
import re
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import runners
from preprocess import schema, storage
from preprocess.errors import InputError
from preprocess.pixels import MAX_PIXELS
from preprocess.plan import DROP, ERROR, KEEP, Plan, Selection
from preprocess.recipe import Recipe
from preprocess.resize import METHODS
from trainer.options import Defaults

AUTO = "auto"
EPILOG = "Any Beam pipeline option may follow: --runner, --direct_num_workers, --temp_location, …"


def parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, PipelineOptions]:
    """Splits a command line into the job's own options and Beam's.

    Raises:
        InputError: an option that neither the job nor Beam knows, or one that the runner needs and does not have.
        SystemExit: --help, or a value that an option does not take; argparse has said so.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.preprocess",
        description="Makes a breast-density training set from CBIS-DDSM mammograms and their case descriptions.",
        epilog=EPILOG,
        formatter_class=Defaults,
        allow_abbrev=False,
    )
    add_options(parser)
    options, rest = parser.parse_known_args(argv)
    check_beam_options(rest, parser)
    given = {word.split("=")[0] for word in rest}
    beam_options = runners.complete(
        PipelineOptions(rest), given, storage.absolute(options.input), storage.absolute(options.output)
    )
    return options, beam_options


def selection_of(options: argparse.Namespace) -> Selection:
    views = tuple(view for view in schema.VIEWS if view in options.views)
    return Selection(views, options.patient_overlap, options.train_per_category, options.test_count)


def parameters_of(options: argparse.Namespace) -> dict[str, object]:
    """The options that decide what the data set contains, as the manifest shows them."""
    return {
        "image_height": options.image_height,
        "image_width": options.image_width,
        "canvas": AUTO if options.canvas is None else "{1}x{0}".format(*options.canvas),
        "resample": options.resample,
        "max_pixels": options.max_pixels,
        "views": list(selection_of(options).views),
        "tfrecord_shards": options.tfrecord_shards,
        "patient_overlap": options.patient_overlap,
        "train_per_category": options.train_per_category,
        "test_count": options.test_count,
    }


def recipe_of(options: argparse.Namespace, plan: Plan, lock: str) -> Recipe:
    parameters = parameters_of(options)
    return Recipe(
        input_root=storage.absolute(options.input),
        output_root=storage.absolute(options.output),
        size=(options.image_height, options.image_width),
        method=options.resample,
        shards=options.tfrecord_shards,
        parts=options.record_parts,
        max_rejected=options.max_rejected,
        named=plan.named,
        matched=plan.matched,
        spare=len(plan.spare),
        parameters=parameters,
        fingerprint=plan.fingerprint(parameters),
        max_pixels=options.max_pixels,
        lock=lock,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the job's own options, in a group."""
    add = parser.add_argument_group("data set").add_argument
    add("--input", required=True, metavar="IMAGES", help="folder or gs:// prefix of the films, in any known layout")
    add("--train_csv", required=True, nargs="+", metavar="CSV", help="training case descriptions: paths, globs, gs://")
    add("--test_csv", required=True, nargs="+", metavar="CSV", help="test case descriptions: paths, globs, gs://")
    add("--output", required=True, metavar="OUT", help="folder or gs:// prefix that the data set is written to")
    add("--image_width", type=_count, metavar="N", default=schema.IMAGE_WIDTH, help="pixels")
    add("--image_height", type=_count, metavar="N", default=schema.IMAGE_HEIGHT, help="pixels")
    add(
        "--canvas",
        type=_canvas,
        default=AUTO,
        metavar="WxH",
        help="size that films are padded to: auto (the largest width and height) or e.g. 5251x7111",
    )
    add(
        "--resample",
        choices=sorted(METHODS),
        default="area",
        help="area: exact mean of each output pixel's rectangle; nearest: what Pillow's NEAREST takes",
    )
    add(
        "--max_pixels",
        type=_pixels,
        default=MAX_PIXELS,
        metavar="N",
        help="pixels that a film may have; a larger one is rejected before anything of it is decoded",
    )
    add(
        "--views",
        nargs="+",
        choices=schema.VIEWS,
        default=list(schema.VIEWS),
        help="views to take; both unless one is named",
    )
    add("--tfrecord_shards", type=_count, default=1, metavar="N", help="TFRecord files a split")
    add(
        "--record_parts",
        type=_count,
        default=4,
        metavar="N",
        help="pieces of a shard written side by side; changes no byte",
    )
    add(
        "--patient_overlap",
        choices=(DROP, ERROR, KEEP),
        default=DROP,
        help="training mammograms of a patient whom the test descriptions name",
    )
    add(
        "--max_rejected",
        type=_share,
        default=0.05,
        metavar="SHARE",
        help="largest share of rejected mammograms to publish a data set with",
    )
    add("--train_per_category", type=_count, metavar="N", help="a subset: N training images a category")
    add("--test_count", type=_count, metavar="N", help="a subset: N test images")
    add("--dry_run", action="store_true", help="match, measure and count only; writes nothing")
    add("--force", action="store_true", help="replace another data set that stands in OUT")


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 99999")
    return int(text)


def _pixels(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,9}", text) or int(text) > schema.LONGEST_SIDE**2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {schema.LONGEST_SIDE**2}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return share


def _canvas(text: str) -> tuple[int, int] | None:
    """From "auto" to None, from "<width>x<height>" to (height, width)."""
    if text == AUTO:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None or max(map(int, match.groups())) > schema.LONGEST_SIDE:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto or <width>x<height>, e.g. 5251x7111")
    return int(match[2]), int(match[1])


def check_beam_options(rest: Sequence[str], own: argparse.ArgumentParser) -> None:
    """Beam ignores what it does not know; here that is an error which names the nearest option.

    Args:
        rest: the words that `own` does not know.

    Raises:
        InputError: Beam does not know them, either.
    """
    beam = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for options in _option_classes(PipelineOptions):
        options._add_argparse_args(beam)  # the one place where Beam keeps its options' names
    known = {name for parser in (own, beam) for action in parser._actions for name in action.option_strings}
    for word in rest:
        name = word.split("=")[0]
        if name.startswith("--") and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise InputError(f"unknown option {name}; did you mean {near}? --help lists this job's options")
    try:
        _, unread = beam.parse_known_args(list(rest))
    except argparse.ArgumentError as error:
        raise InputError(f"a Beam option has a wrong value: {error}") from error
    if unread:
        raise InputError(f"{unread[0]!r} belongs to no option; --help lists this job's options")


def _option_classes(base: type[PipelineOptions]) -> list[type[PipelineOptions]]:
    return [cls for sub in base.__subclasses__() for cls in (sub, *_option_classes(sub))]
