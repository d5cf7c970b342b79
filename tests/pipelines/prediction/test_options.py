import re
import tomllib
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import SetupOptions

from pipelines.prediction.options import REQUIREMENTS, parse
from preprocess.runtime.errors import InputError
from tests import ROOT

CLOUD = ["--output=gs://b/out", "--runner=dataflow", "--project=p", "--region=r"]


def test_dataflow_workers_install_tensorflow():
    options, beam = parse(["--model_dir=gs://b/m/", "--input", "gs://b/a.dcm", "gs://b/c", *CLOUD])
    assert (options.model_dir, options.input) == ("gs://b/m", ["gs://b/a.dcm", "gs://b/c"])
    setup = beam.view_as(SetupOptions)
    assert (setup.requirements_file, setup.requirements_cache) == (REQUIREMENTS, "skip")
    _, given = parse(["--model_dir=gs://b/m", "--input=gs://b/a", *CLOUD, "--requirements_file=own.txt"])
    assert given.view_as(SetupOptions).requirements_file == "own.txt"


def test_the_version_of_tensorflow_is_that_of_the_project():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["train"]
    [wanted] = [requirement for requirement in extra if re.match(r"tensorflow\b", requirement)]
    assert Path(REQUIREMENTS).read_text() == f"{wanted}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model_dir=m", "--input=gs://b/a", *CLOUD], "--model_dir /.*/m: Dataflow's workers cannot read it"),
        (["--model_dir=gs://b/m", "--input", "gs://b/a", "films", *CLOUD], "--input films: Dataflow's workers cannot"),
        (["--model_dir=m", "--input=a", "--output=s3://b"], "s3:// is not supported"),
        (["--model_dir=m", "--input=a", "--output=o", "--canvas=large"], "'large' is not auto or <width>x<height>"),
        (["--model_dir=m", "--input=a"], "the following arguments are required: --output"),
        (["--model_dir=m", "--input=a", "--output=o", "--modeldir=x"], "unknown option --modeldir; did you mean"),
    ],
)
def test_wrong_options(words, message):
    with pytest.raises(InputError, match=message):
        parse(words)


def test_idc_is_read_by_dataflow_workers():
    options, _ = parse(["--model_dir=gs://b/m", "--input=idc", *CLOUD])
    assert options.input == ["idc"]


def test_workers_install_tensorflow_also_with_another_setup_file():
    _, beam = parse(["--model_dir=gs://b/m", "--input=gs://b/a", *CLOUD, "--setup_file=./own/setup.py"])
    assert beam.view_as(SetupOptions).requirements_file == REQUIREMENTS
    _, beam = parse(["--model_dir=gs://b/m", "--input=gs://b/a", *CLOUD, "--sdk_container_image=gcr.io/p/own"])
    assert beam.view_as(SetupOptions).requirements_file is None
