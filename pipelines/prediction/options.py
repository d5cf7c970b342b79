"""The command line of `pipelines.predict`: its own options and those of Beam."""

import argparse
import os
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.beam import runners
from pipelines.preparation.inputs import IDC_ROOT, is_idc
from pipelines.preparation.options import EPILOG, beam_option_names, check_beam_options, parse_canvas, parse_pixels
from preprocess.files import storage
from preprocess.images.pixels import MAX_PIXELS
from preprocess.images.resize import METHODS
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.errors import InputError

REQUIREMENTS = os.path.join(os.path.dirname(__file__), "worker_requirements.txt")
"""What workers of Dataflow install besides the package: TensorFlow."""


def parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, PipelineOptions]:
    """Parses a command line into the options of the command and those of Beam.

    Raises:
        InputError: an unknown option, an invalid value, or a missing option.
        SystemExit: --help.
    """
    parser = _make_parser()
    options, rest = parser.parse_known_args(argv)
    check_beam_options(rest)
    options.output, options.model_dir = storage.absolute(options.output), storage.absolute(options.model_dir)
    if storage.is_local(options.output) and os.path.isfile(options.output):
        raise InputError(f"--output {options.output}: is a file; name a folder")
    given = {word.split("=")[0] for word in rest}
    inputs = [IDC_ROOT if is_idc(path) else path for path in options.input]
    read = next((path for path in inputs if not storage.is_gcs(path)), inputs[0])
    beam_options = runners.apply_defaults(
        PipelineOptions(rest), given, {"--input": read, "--output": options.output, "--model_dir": options.model_dir},
        REQUIREMENTS,
    )  # fmt: skip
    return options, beam_options


def _make_parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m pipelines.predict",
        description="Predicts the breast density of films with a trained model. For research and teaching, not for "
        "clinical use. It runs the SavedModel in the folder, which can contain any operation: use it with models that "
        "you trust.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        elsewhere=beam_option_names,
    )
    add = parser.add_argument
    add("--model_dir", required=True, metavar="DIR", help="local or gs:// folder of a model that a trainer exported")
    add(
        "--input", required=True, nargs="+", metavar="FILMS",
        help="DICOM, PNG, TIFF or JPEG files, folders, or glob patterns, local or gs://; or idc: the 3,103 films of "
        "CBIS-DDSM in the Imaging Data Commons",
    )  # fmt: skip
    add("--output", required=True, metavar="OUT", help="folder or gs:// prefix for the tables and the page")
    add(
        "--canvas", type=parse_canvas, default=None, metavar="WxH",
        help="canvas of the training images, for a model that does not know it",
    )  # fmt: skip
    add(
        "--resample", choices=sorted(METHODS), default=None,
        help="method with which they were made, for such a model (default: area)",
    )  # fmt: skip
    add("--max_pixels", type=parse_pixels, default=MAX_PIXELS, metavar="N", help="largest number of pixels of a film")
    return parser
