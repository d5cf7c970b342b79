"""The report on a data set and its models: its HTML, and its behaviour in a browser if one is installed."""

import base64
import csv
import hashlib
import html.parser
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import preprocess, report
from tests.support.browser import needs_browser, run_script
from tests.support.films import Described, as_in_csv, random_film, write_csv
from trainer import evaluate, gpu_model

HTML = "<script>alert(1)</script>"
TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 9)]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(11, 17)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(data set, model), with HTML in the names of the films' folder and the model folder, and in two invalid rows."""
    root = tmp_path_factory.mktemp("made")
    invalid = ["P_00077", "2", "LEFT", "CC", f"{HTML}/1.2/1.3/000000.dcm"]
    write_csv(root / "train.csv", [*TRAIN, invalid, Described("Calc-Training_P_00078_LEFT_CC", HTML)])
    write_csv(root / "test.csv", TEST)
    for number, film in enumerate([*TRAIN, *TEST]):
        as_in_csv(root / "images" / HTML, film, random_film(number))
    argv = ["--input", root / "images", "--train_csv", root / "train.csv", "--test_csv", root / "test.csv",
            "--output", root / "out", "--direct_num_workers=1", "--max_rejected=0.5"]  # fmt: skip
    assert preprocess.main([str(word) for word in argv]) == 0
    out, model = root / "out", root / f"models/{HTML}"
    assert gpu_model.main([
        f"--training_data_dir={out}/small_train", f"--eval_data_dir={out}/small_test", f"--model_dir={model}",
        "--training_steps=4", "--batch_size=4",
    ]) == 0  # fmt: skip
    return out, model


@pytest.fixture(scope="module")
def page(made):
    out, model = made
    assert report.main([str(out), "--model_dir", str(model)]) == 0
    return (out / "report.html").read_text()


class Elements(html.parser.HTMLParser):
    """The elements of a page.

    Attributes:
        tags: (tag, attributes) of every element.
        scripts: the content of every script.
        words: all text outside scripts and styles.
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.words, self._tag = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._tag = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):  # noqa: ARG002
        self._tag = ""

    def handle_data(self, data):
        if self._tag == "script":
            self.scripts[-1] += data
        elif self._tag != "style":
            self.words.append(data)

    def having(self, tag, css_class):
        return [
            attributes
            for name, attributes in self.tags
            if name == tag and css_class in attributes.get("class", "").split()
        ]


def table(out):
    with (out / "dataset.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_page_loads_nothing_from_other_addresses(page):
    elements = Elements(page)
    for tag, attributes in elements.tags:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                assert re.match(r"#|data:image/webp;base64,", value), (tag, name, value[:80])
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in elements.tags}
    assert "url(" not in page.replace("url(#", "")
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\s\"'<]*", page)) <= namespaces


def test_the_content_security_policy_allows_only_the_script_of_the_page(page):
    elements = Elements(page)
    policy = next(attributes["content"] for tag, attributes in elements.tags if "http-equiv" in attributes)
    data, script = elements.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert json.loads(data)


def test_html_in_names_is_shown_as_text(page, made):
    elements = Elements(page)
    assert len(elements.scripts) == 2
    assert not any(name.startswith("on") for _, attributes in elements.tags for name in attributes)
    shown = "".join(elements.words)
    assert shown.count(HTML) >= 3  # the omitted mammogram, its file, the model
    facts = json.loads(elements.scripts[0])
    assert dict(facts[0][1])["file"].startswith(f"{HTML}/Calc-") or dict(facts[0][1])["file"].startswith(
        f"{HTML}/Mass-"
    )


def test_ids_are_unique_and_references_exist(page):
    elements = Elements(page)
    ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements.tags:
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name, ids[0]) in ids
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids


def test_every_image_is_in_its_split_and_category(page, made):
    out, _ = made
    rows = table(out)
    sheets = page.split('<details class="sheet"')[1:]
    shown = []
    for density, sheet in enumerate(sheets, 1):
        parts = re.split(r'<div class="split" data-split="(\w+)">', sheet.split("</details>")[0])[1:]
        for split, part in zip(parts[::2], parts[1::2], strict=True):
            numbers = [int(attributes["data-row"]) for attributes in Elements(part).having("button", "thumb")]
            cases = [rows[number]["name"].partition("_")[2] for number in numbers]
            assert cases == sorted(
                row["name"].partition("_")[2] for row in rows if (row["split"], row["density"]) == (split, str(density))
            )
            shown += numbers
    assert sorted(shown) == list(range(len(rows)))


def test_thumbnails_show_their_images(page, made):
    out, _ = made
    rows = table(out)
    pixels = {row["name"]: np.asarray(Image.open(out / f"small_{row['split']}/{row['name']}.png")) for row in rows}
    white = max(image.max() for image in pixels.values())
    assert f"Pixel value {white:,}" in page
    pattern = r'data-row="(\d+)"><img src="data:image/webp;base64,([^"]+)" width="95" height="128" alt="([^"]+)"'
    thumbnails = re.findall(pattern, page)
    assert {int(number) for number, _, _ in thumbnails} == set(range(len(rows)))
    for number, picture, alt in thumbnails:
        row = rows[int(number)]
        assert alt == f"{row['name'].partition('_')[2]}, {row['split']}"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L")).astype(float)
        assert np.abs(shown - pixels[row["name"]] * (255 / white)).mean() < 8  # the compression is lossy


def test_omitted_mammograms_are_listed_with_their_reasons(page, made):
    out, _ = made
    shown = " ".join(" ".join(Elements(page).words).split())
    lines = (out / "rejected.jsonl").read_text().splitlines()
    assert len(lines) == 2
    for omission in map(json.loads, lines):
        assert omission["case"] in shown
        assert omission["reason"] in shown


def test_the_worst_images_and_the_metrics(page, made):
    out, model = made
    with (model / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    expected = sorted(rows, key=lambda row: (float(row[f"probability_{row['density']}"]), row["name"]))
    names = [row["name"] for row in table(out)]
    section = page.split('<ol class="worst thumbs">')[1].split("</ol>")[0]
    assert [names[int(attributes["data-row"])] for attributes in Elements(section).having("button", "thumb")] == [
        row["name"] for row in expected
    ]
    cells = re.findall(r'<td class="cell" style="--share: \d+%">([\d.]+)</td>', section)
    assert cells == [f"{float(row[f'probability_{d}']):.2f}" for row in expected for d in range(1, 5)]
    metrics = json.loads((model / "metrics.json").read_text())
    shown = " ".join(" ".join(Elements(page).words).split())
    for name in ("accuracy", "kappa"):
        estimate = metrics[name]
        assert f"{estimate['value']:.3f}" in shown
        assert f"{estimate['low']:.3f} to {estimate['high']:.3f}" in shown
    assert f"{metrics['majority_accuracy']:.3f}" in shown
    assert f"The best constant guess is density {metrics['majority_category']}" in shown


def test_histograms_count_every_pixel_above_0(made):
    from pipelines.report_page.thumbnails import read_images
    from preprocess.dataset.reader import open_dataset
    from preprocess.runtime.log import Log

    out, _ = made
    images = read_images(open_dataset(str(out)), Log())
    for density in range(1, 5):
        values = np.concatenate([
            np.asarray(Image.open(path)).ravel() for path in out.glob(f"small_*/{density}_*.png")
        ])  # fmt: skip
        expected, _ = np.histogram(values[values > 0], bins=64, range=(0, 65536))
        assert np.allclose(images.histograms[density], expected / expected.sum())
        assert images.black[density] == (values == 0).mean()


def test_the_page_depends_on_its_files_only(page, made, tmp_path):
    out, model = made
    assert report.main([str(out), "--model_dir", str(model), "--html", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_text() == page


def test_a_model_without_evaluation_and_a_model_of_other_images(made, tmp_path):
    out, model = made
    bare = shutil.copytree(model, tmp_path / "bare", ignore=shutil.ignore_patterns("ckpt*", "export", "*.keras"))
    for name in ("metrics.json", "predictions.csv", "speed.csv"):
        (bare / name).unlink()
    other = shutil.copytree(bare, tmp_path / "other")
    (other / "metrics.json").write_text((model / "metrics.json").read_text())
    (other / "predictions.csv").write_text(
        "name,density,predicted,probability_1,probability_2,probability_3,probability_4\n"
        "2_Calc-Test_P_99999_LEFT_CC,2,1,0.7,0.1,0.1,0.1\n,3,1,0.7,0.1,0.1,0.1\n"
    )
    target = tmp_path / "page.html"
    assert report.main([str(out), "--html", str(target), "--model_dir", str(bare), str(other)]) == 0
    shown = " ".join(" ".join(Elements(target.read_text()).words).split())
    assert "This model was not evaluated." in shown
    assert "2_Calc-Test_P_99999_LEFT_CC: not in this data set" in shown
    assert "(no name): not in this data set" in shown


VALIDATION = (
    "step,loss,accuracy,quadratic_weighted_kappa,macro_auc\n"
    "1,1.5,0.25,nan,0.5\n3,1.25,0.5,0.25,0.625\n4,1.375,0.5,0.375,0.75\n"
)


@pytest.fixture(scope="module")
def judged(made, tmp_path_factory):
    """(page, metrics) of a model with baselines, validations and an ordinal loss, and the same with earlier metrics."""
    out, model = made
    root = tmp_path_factory.mktemp("judged")
    assert evaluate.main([
        f"--model_dir={model}", "--data", f"{out}/small_test", "--training_data", f"{out}/small_train",
        f"--output={root}/evaluated",
    ]) == 0  # fmt: skip
    ignored = shutil.ignore_patterns("ckpt*", "export", "*.keras")
    new, old = (Path(shutil.copytree(model, root / name, ignore=ignored)) for name in ("new", "old"))
    (old / "validation.csv").unlink()
    metrics = json.loads((root / "evaluated/metrics.json").read_text()) | {"step": 3}
    (new / "metrics.json").write_text(json.dumps(metrics))
    (new / "validation.csv").write_text(VALIDATION)
    identity = json.loads((new / "training.json").read_text())
    identity["training"] |= {"loss": "ordinal", "class_weights": "balanced"}
    (new / "training.json").write_text(json.dumps(identity))
    added = ("baselines", "beats_best_baseline", "breasts", "patients", "calibration", "dense", "subgroups")
    (old / "metrics.json").write_text(json.dumps({key: metrics[key] for key in metrics if key not in added}))
    target = root / "page.html"
    assert report.main([str(out), "--html", str(target), "--model_dir", str(new), str(old)]) == 0
    return target.read_text(), metrics


def sections(page):
    """The sections of the models, as HTML and as text."""
    found = re.findall(r'<section id="model-\d".*?</section>', page, flags=re.DOTALL)
    return [(section, " ".join(" ".join(Elements(section).words).split())) for section in found]


def shown(metric):
    bounds = "" if metric["low"] is None else f" {metric['low']:.2f} to {metric['high']:.2f}"
    return "undefined" if metric["value"] is None else f"{metric['value']:.2f}{bounds}"


def test_the_model_is_compared_with_baselines(judged):
    page, metrics = judged
    text = sections(page)[0][1]
    comparison = metrics["beats_best_baseline"]
    assert f"This model {comparison['sentence']}." in text
    for name, found in (("this model", metrics), *metrics["baselines"].items()):
        assert f"{name} {shown(found['accuracy'])} {shown(found['kappa'])} " in text
    difference = f"difference to {comparison['baseline']} {shown(comparison['accuracy'])} {shown(comparison['kappa'])}"
    assert difference in text


def test_images_breasts_patients_and_subgroups_have_their_counts(judged):
    page, metrics = judged
    text = sections(page)[0][1]
    assert f"image {metrics['images']} images {shown(metrics['accuracy'])}" in text
    for name in ("breast", "patient"):
        found = metrics[f"{name}s"]
        assert f"{name} {found['count']} {name}s {shown(found['accuracy'])} {shown(found['kappa'])}" in text
    assert list(metrics["subgroups"]["view"]) == ["MLO"]
    for attribute, groups in metrics["subgroups"].items():
        for value, found in groups.items():
            assert f"{attribute} {value} {found['count']} images {shown(found['accuracy'])}" in text


def test_validations_are_drawn_with_the_kept_step(judged):
    (page, metrics), labels = judged, ("each batch", "validation", "kept step 3", "evaluation")
    (new, text), (old, _) = sections(page)
    assert "Training batches: ordinal, balanced class weights. Validation and evaluation: cross-entropy" in text
    figures = dict(re.findall(r'<svg[^>]*aria-label="([^"]*)"(.*?)</svg>', new, flags=re.DOTALL))
    assert list(figures) == [
        "Accuracy by the highest probability", "Loss by step", "Accuracy by step", "Quadratic weighted kappa by step",
    ]  # fmt: skip
    for name in ("Loss by step", "Accuracy by step"):
        assert [label for label in labels if label in figures[name]] == list(labels)
    assert "kept step 3" in figures["Quadratic weighted kappa by step"]
    assert "each batch" not in figures["Quadratic weighted kappa by step"]
    assert f"Expected calibration error {metrics['calibration']['expected_error']:.3f}; not calibrated" in text
    assert ">validation</text>" not in old
    assert len(re.findall("<svg", old)) == 2


def test_a_model_of_earlier_metrics_has_no_new_parts(judged):
    _, (_, old) = sections(judged[0])
    for words in ("Baselines", "By image, breast and patient", "Subgroups", "dense", "Expected calibration error"):
        assert words not in old
    assert "quadratic weighted kappa" in old


def dense(**values):
    return {
        "dense_images": 200, "non_dense_images": 300, "auc": {"value": 0.91, "low": 0.88, "high": 0.94},
        "threshold": 0.4375, "sensitivity": 0.735, "specificity": 0.91, "dense_found": 147,
        "non_dense_called_dense": 27,
    } | values  # fmt: skip


def test_dense_breasts_in_words():
    from pipelines.report_page.model_section import describe_dense

    sentences = describe_dense(dense())
    assert sentences[:2] == [
        "Of 100 images of dense breasts (density 3 or 4), the model finds 74 when at most 10 of 100 images of "
        "non-dense breasts (density 1 or 2) are called dense.",
        "Counted: 147 of 200 images of dense breasts, and 27 of 300 images of non-dense breasts, are called dense.",
    ]
    assert "at least 0.438" in sentences[2]
    assert sentences[3].startswith("These are images, not women")
    assert sentences[-1].startswith("AUC 0.91 (0.88 to 0.94): ")
    assert describe_dense(dense(threshold=None))[0].startswith("The model finds no image of a dense breast")
    assert describe_dense(dense(dense_images=0)) == [
        "The evaluation contains 0 images of dense and 300 of non-dense breasts: not measured."
    ]


def no_model(out, model):
    (model / "history.csv").unlink()


def bad_metrics(out, model):
    (model / "metrics.json").write_text("{")


def bad_history(out, model):
    (model / "history.csv").write_text("step,what\n1,2\n")


def bad_validation(out, model):
    (model / "validation.csv").write_text("step,kappa\n1,2\n")


def bad_image(out, model):
    next((out / "small_train").glob("*.png")).write_bytes(b"no PNG")


def bad_table(out, model):
    (out / "dataset.csv").write_bytes(b"\xff\xfe")


def no_manifest(out, model):
    (out / "manifest.json").unlink()


FAULTS = {
    no_model: "contains no training.json or no history.csv",
    bad_metrics: "a file of this model is damaged",
    bad_history: "a file of this model is damaged",
    bad_validation: "a file of this model is damaged",
    bad_image: "not a PNG; expected a 16-bit gray PNG; pipelines.verify lists all faults",
    bad_table: "not UTF-8 text",
    no_manifest: "contains no manifest.json",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_files_end_the_command_with_one_line(fault, made, tmp_path, capsys):
    out = shutil.copytree(made[0], tmp_path / "out")
    model = shutil.copytree(made[1], tmp_path / "model", ignore=shutil.ignore_patterns("ckpt*", "export", "*.keras"))
    fault(out, model)
    assert report.main([str(out), "--model_dir", str(model)]) == 2
    error = capsys.readouterr().err
    assert FAULTS[fault] in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@needs_browser
def test_in_a_browser(page, made, tmp_path):
    """Two widths, light and dark: no messages, no requests, no faults that axe-core finds; and keyboard control."""
    results = run_script("report.mjs", made[0] / "report.html", tmp_path)
    keyboard = results["keyboard"]
    assert keyboard["messages"] == []
    assert keyboard["first"] != keyboard["second"]
    assert keyboard["opened"] != keyboard["moved"]
    assert keyboard["closed"]
    assert keyboard["returned"] == keyboard["first"]
    assert keyboard["splits"] == ["test"] * 4
    assert keyboard["pages"] >= 2
