"""The command line of the preprocessing job: its own options and those of Beam."""

import argparse
import collections
import re
from collections.abc import Sequence
from dataclasses import asdict, replace

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.beam import runners
from pipelines.preparation.inputs import IDC_ROOT, is_idc
from preprocess.cases import catalogue
from preprocess.cases.plan import DROP, PATIENT_OVERLAP, Plan
from preprocess.contract import schema
from preprocess.dataset.recipe import Parameters, Recipe
from preprocess.dataset.record_parts import SHARD_IMAGES
from preprocess.files import storage
from preprocess.images.pixels import MAX_PIXELS
from preprocess.images.resize import METHODS
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.errors import InputError

AUTO = "auto"
EPILOG = "Any Beam pipeline option may follow: --runner, --direct_num_workers, --temp_location, …"


def parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, PipelineOptions]:
    """Parses a command line into the options of the job and those of Beam.

    Raises:
        InputError: an unknown option, an invalid value, or a missing option.
        SystemExit: --help.
    """
    parser = CommandParser(
        prog="python -m pipelines.preprocess",
        description="Makes a breast-density training set from CBIS-DDSM mammograms and their case descriptions.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        elsewhere=beam_option_names,
    )
    add_options(parser)
    options, rest = parser.parse_known_args(argv)
    check_beam_options(rest)
    if bool(options.train_csv) != bool(options.test_csv):
        raise InputError("--train_csv and --test_csv belong together: give both, or neither for the packaged catalogue")
    options.input = IDC_ROOT if is_idc(options.input) else storage.absolute(options.input)
    options.output = storage.absolute(options.output)
    given = {word.split("=")[0] for word in rest}
    paths = {"--input": options.input, "--output": options.output}
    beam_options = runners.apply_defaults(PipelineOptions(rest), given, paths)
    return options, beam_options


def parameters_of(options: argparse.Namespace) -> Parameters:
    """Returns the options that decide what the data set contains."""
    return Parameters(
        image_height=options.image_height,
        image_width=options.image_width,
        canvas=AUTO if options.canvas is None else "{1}x{0}".format(*options.canvas),
        resample=options.resample,
        max_pixels=options.max_pixels,
        views=tuple(view for view in schema.VIEWS if view in options.views),
        tfrecord_shards=options.tfrecord_shards,
        patient_overlap=options.patient_overlap,
        train_per_category=options.train_per_category,
        test_count=options.test_count,
    )


def recipe_of(options: argparse.Namespace, plan: Plan, lock_token: str) -> Recipe:
    """Returns the recipe of a planned run."""
    parameters = parameters_of(options)
    largest = max(collections.Counter(film.split for film in plan.films).values(), default=0)
    if parameters.tfrecord_shards is None and largest <= SHARD_IMAGES:
        parameters = replace(parameters, tfrecord_shards=1)
    return Recipe(
        input_root=options.input,
        output_root=options.output,
        parameters=parameters,
        fingerprint=plan.fingerprint(asdict(parameters)),
        totals=plan.totals,
        max_rejected=options.max_rejected,
        parts=options.record_parts,
        attribution="" if options.train_csv and options.input != IDC_ROOT else catalogue.ATTRIBUTION,
        lock_token=lock_token,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the job, in a group."""
    add = parser.add_argument_group("data set").add_argument
    add(
        "--input",
        required=True,
        metavar="IMAGES",
        help="folder or gs:// prefix of the films, in any folder structure whose paths identify them (docs/data.md); "
        "or idc: they are read from the public bucket of the Imaging Data Commons, without an account",
    )
    add(
        "--train_csv",
        nargs="+",
        metavar="CSV",
        help="training case descriptions: paths or glob patterns, local or gs://; without this option and --test_csv, "
        "the packaged catalogue of CBIS-DDSM",
    )
    add(
        "--test_csv",
        nargs="+",
        metavar="CSV",
        help="test case descriptions: paths or glob patterns, local or gs://",
    )
    add(
        "--output",
        required=True,
        metavar="OUT",
        help="folder or gs:// prefix to which the data set is written",
    )
    add("--image_width", type=_count, metavar="N", default=schema.IMAGE_WIDTH, help="pixels")
    add("--image_height", type=_count, metavar="N", default=schema.IMAGE_HEIGHT, help="pixels")
    add(
        "--canvas",
        type=parse_canvas,
        default=AUTO,
        metavar="WxH",
        help="size to which films are padded: auto (the largest width and height of all films) or e.g. 5251x7111",
    )
    add(
        "--resample",
        choices=sorted(METHODS),
        default="area",
        help="area: exact mean of the rectangle of each output pixel; nearest: the pixels that Pillow's NEAREST takes",
    )
    add(
        "--max_pixels",
        type=parse_pixels,
        default=MAX_PIXELS,
        metavar="N",
        help="largest number of pixels of a film; a larger film is rejected and not decoded",
    )
    add(
        "--views",
        nargs="+",
        choices=schema.VIEWS,
        default=list(schema.VIEWS),
        help="views to include; without this option both",
    )
    add(
        "--tfrecord_shards",
        type=_shards,
        default=AUTO,
        metavar="N",
        help="number of TFRecord files of each split: auto (one for each 10,000 images) or a number",
    )
    add(
        "--record_parts",
        type=_count,
        default=4,
        metavar="N",
        help="number of pieces of a TFRecord file that are written in parallel; does not change the output",
    )
    add(
        "--patient_overlap",
        choices=PATIENT_OVERLAP,
        default=DROP,
        help="what to do with a training mammogram of a patient who is also in the test set",
    )
    add(
        "--max_rejected",
        type=_share,
        default=0.05,
        metavar="SHARE",
        help="largest share of rejected mammograms with which a data set is published",
    )
    add(
        "--train_per_category",
        type=_count,
        metavar="N",
        help="subset: N training images of each category",
    )
    add("--test_count", type=_count, metavar="N", help="subset: N test images")
    add("--dry_run", action="store_true", help="find, measure and count the films only; write nothing")
    add("--force", action="store_true", help="replace another data set in OUT")


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 99999")
    return int(text)


def _shards(text: str) -> int | None:
    return None if text == AUTO else _count(text)


def parse_pixels(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,9}", text) or int(text) > schema.MAX_SIDE**2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {schema.MAX_SIDE**2}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return share


def parse_canvas(text: str) -> tuple[int, int] | None:
    """Converts "auto" to None, and "<width>x<height>" to (height, width)."""
    if text == AUTO:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None or max(map(int, match.groups())) > schema.MAX_SIDE:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto or <width>x<height>, e.g. 5251x7111")
    return int(match[2]), int(match[1])


def check_beam_options(rest: Sequence[str]) -> None:
    """Checks the arguments that this project's options leave over; Beam itself ignores unknown words.

    Raises:
        InputError: an invalid value of an option, or a word that belongs to no option.
    """
    try:
        _, unread = _beam_parser().parse_known_args(list(rest))
    except argparse.ArgumentError as error:
        raise InputError(f"a Beam option has a wrong value: {error}") from error
    if unread:
        raise InputError(f"{unread[0]!r} belongs to no option; --help lists the options")


def beam_option_names() -> set[str]:
    """Returns the names of all Beam pipeline options."""
    return set(_beam_parser()._option_string_actions)


def _beam_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for options in _option_classes(PipelineOptions):
        options._add_argparse_args(parser)  # Beam has no public list of its options
    return parser


def _option_classes(base: type[PipelineOptions]) -> list[type[PipelineOptions]]:
    return [cls for sub in base.__subclasses__() for cls in (sub, *_option_classes(sub))]
