"""Evaluates an exported model on any images, and changes nothing in its folder: `python -m trainer.evaluate --help`."""

import json
from collections.abc import Sequence

from preprocess.files import storage
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.log import Log
from trainer.data import sources
from trainer.data.image_set import ImageSet, check_disjoint
from trainer.data.png_folder import read_folder
from trainer.data.preparation import describe_difference
from trainer.data.record_files import read_record_files
from trainer.model_dir.folder import METRICS_FILE, PREDICTIONS_FILE
from trainer.results.model_info import read_model_info
from trainer.runtime.startup import import_tensorflow, set_arithmetic


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Reads the images, predicts each of them once, prints the metrics, and writes them and the predictions.

    Raises:
        InputError: the folder contains no exported model, or images cannot be read, or have another size than those on
            which the model was trained, or are both training and evaluation images.
    """
    options = make_parser().parse_args(argv)
    storage.check_writable(storage.absolute(options.output), "--output")
    info = read_model_info(options.model_dir)
    images = _read_images(options.data, info.size, info.categories, log)
    training = _read_images(options.training_data, info.size, info.categories, log) if options.training_data else None
    if training:
        check_disjoint(training, images)
    if difference := describe_difference(info.preparation, images.preparation):
        log.warning(f"the images were made in another way than those on which the model was trained: {difference}")
    import_tensorflow()  # takes seconds, so errors in the options and images are reported before it
    set_arithmetic(tensor_float_32=False, deterministic=False)
    from trainer.results import metrics
    from trainer.results.baselines import predict_baselines
    from trainer.results.exported_model import load_export
    from trainer.results.tables import format_predictions

    predictions = load_export(options.model_dir).predict(images.pixels, log)
    baselines = predict_baselines(training, images, seed=0) if training else None
    found = metrics.compute_metrics(
        images.labels, predictions.logits, predictions.probabilities, images.names, baselines, info.temperature
    )  # fmt: skip
    log.info(f"\nevaluation of {len(images):,} images\n{metrics.format_metrics(found)}\n")
    report = {"model_dir": options.model_dir, "data": list(options.data), **found.as_dict()}
    written = {
        METRICS_FILE: (json.dumps(report, indent=1) + "\n").encode(),
        PREDICTIONS_FILE: format_predictions(images, predictions),
    }
    for name, content in written.items():
        path = storage.join(storage.absolute(options.output), name)
        with storage.output_errors(path):
            storage.write(path, content)
        log.info(path)


def _read_images(data: Sequence[str], size: tuple[int, int], categories: int, log: Log) -> ImageSet:
    """Reads a folder of PNGs or record files."""
    if len(data) == 1 and not sources.match(data[0]):
        return read_folder(data[0], size, categories, log)
    return read_record_files(data, size, categories, log)


def make_parser() -> CommandParser:
    """Returns the parser of the command line."""
    parser = CommandParser(
        prog="python -m trainer.evaluate",
        description="Evaluates a trained breast-density classifier on any images. Changes nothing in its folder. It "
        "runs the SavedModel in the folder, which can contain any operation: use it with models that you trust.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model_dir", required=True, metavar="DIR", help="local or gs:// folder of the model")
    add(
        "--data", required=True, nargs="+", metavar="DATA",
        help="a folder of PNGs named <density>_<mammogram ID>, or TFRecord files: paths or glob patterns",
    )  # fmt: skip
    add(
        "--training_data", nargs="+", metavar="DATA",
        help="the images on which the model was trained, in the same forms: baselines are fitted on them, and the "
        "model is compared with them",
    )  # fmt: skip
    add("--output", required=True, metavar="DIR", help="folder for metrics.json and predictions.csv")
    return parser


if __name__ == "__main__":
    exit_process(main())
