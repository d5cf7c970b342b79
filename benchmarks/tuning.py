"""Measures the effect of options on the sample, and writes the table in docs/tutorial.md.

    python benchmarks/tuning.py FOLDER

Runs the commands of the project; runs whose results are in FOLDER are skipped. About half an hour on two cores.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TUTORIAL = Path(__file__).parents[1] / "docs/tutorial.md"
BEGIN, END = "<!-- tuning: written by benchmarks/tuning.py -->\n", "<!-- end of tuning -->\n"
HEAD = (
    "| | training images | accuracy | quadratic weighted kappa | loss | last 10 losses of the training |\n"
    "|---|---|---|---|---|---|"
)
BASE = ("--training_steps=100", "--batch_size=32")


@dataclass(frozen=True)
class Trial:
    """One row of the table: the options that differ from the first row, of the data set and of the training."""

    title: str
    preparing: tuple[str, ...] = ()
    training: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "".join(char if char.isalnum() else "-" for char in self.title)


TRIALS = (
    Trial("100 steps of 32, rate 0.001, dropout 0.4"),
    Trial("another seed: 1", training=("--seed=1",)),
    Trial("another seed: 2", training=("--seed=2",)),
    Trial("25 steps", training=("--training_steps=25",)),
    Trial("50 steps", training=("--training_steps=50",)),
    Trial("200 steps", training=("--training_steps=200",)),
    Trial("learning rate 0.0003", training=("--learning_rate=0.0003",)),
    Trial("learning rate 0.003", training=("--learning_rate=0.003",)),
    Trial("batches of 8", training=("--batch_size=8",)),
    Trial("batches of 96", training=("--batch_size=96",)),
    Trial("no dropout", training=("--dropout=0",)),
    Trial("dropout 0.6", training=("--dropout=0.6",)),
    Trial("balanced class weights", training=("--class_weights=balanced",)),
    Trial("view CC alone", preparing=("--views", "CC")),
    Trial("view MLO alone", preparing=("--views", "MLO")),
    Trial("resample nearest", preparing=("--resample=nearest",)),
)


def main(folder: Path) -> None:
    """Runs the trials whose results are missing, and writes the table."""
    sample = folder / "sample"
    if not sample.exists():
        _run("pipelines.make_sample", f"--output={sample}", "--patients=80")
    rows = [_row(trial, *_evaluate(trial, sample, folder)) for trial in TRIALS]
    before, _, rest = TUTORIAL.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    TUTORIAL.write_text(f"{before}{BEGIN}\n" + "\n".join([HEAD, *rows]) + f"\n\n{END}{after}")


def _evaluate(trial: Trial, sample: Path, folder: Path) -> tuple[dict, list[float], int]:
    """Returns the metrics of a trial, the losses of its training, and the number of its training images."""
    data = folder / f"data{''.join(trial.preparing)}"
    if not (data / "manifest.json").exists():
        csvs = {split: sorted(map(str, sample.glob(f"*_{split}_set.csv"))) for split in ("train", "test")}
        _run("pipelines.preprocess", f"--input={sample}", f"--output={data}", "--train_csv", *csvs["train"],
             "--test_csv", *csvs["test"], *trial.preparing)  # fmt: skip
    model = folder / "models" / trial.name
    if not (model / "metrics.json").exists():
        _run("trainer.gpu_model", f"--training_data_dir={data}/small_train", f"--eval_data_dir={data}/small_test",
             f"--model_dir={model}", *BASE, *trial.training)  # fmt: skip
        for checkpoint in [*model.glob("ckpt-*"), model / "model.keras"]:
            checkpoint.unlink()  # a gigabyte each; the tables are kept
    losses = [float(line.split(",")[1]) for line in (model / "history.csv").read_text().splitlines()[1:]]
    images = json.loads((model / "training.json").read_text())["training_set"]["images"]
    return json.loads((model / "metrics.json").read_text()), losses, images


def _row(trial: Trial, metrics: dict, losses: list[float], images: int) -> str:
    accuracy, kappa = ("{value:.3f} [{low:.3f}, {high:.3f}]".format(**metrics[name]) for name in ("accuracy", "kappa"))
    last = sum(losses[-10:]) / 10
    return f"| {trial.title} | {images} | {accuracy} | {kappa} | {metrics['loss']:.2f} | {last:.2f} |"


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
