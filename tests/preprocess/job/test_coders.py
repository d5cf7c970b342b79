"""The elements of the job are encoded in few bytes, in every stage that passes them on."""

import dataclasses
import hashlib
import pickle

import apache_beam as beam
import pytest
from apache_beam import coders
from apache_beam.pipeline import PipelineVisitor
from apache_beam.typehints import typehints

from benchmarks.films import described
from pipelines import preprocess
from preprocess.cases.locate import FilmFile
from preprocess.cases.plan import Film
from preprocess.contract.schema import Omission
from preprocess.dataset.plan_files import BATCH_FILMS, FilmBatch, PlanFiles
from preprocess.dataset.recipe import MeasuredBatch, MeasuredFilm, PreparedBatch, PreparedImage
from preprocess.job.coders import BatchCoder
from tests.preprocess.dataset.test_cards import recipe

OMITTED = (Omission("id", "train", "a\ud800.dcm", "rejected", "header", "é\n"),)


def film(number):
    _, patient, mammogram_id, path = described(number)
    version = f"{2000 + number} bytes of {1795754333858900000 + number * 7919}"
    return Film(mammogram_id, "train", 2, patient, "LEFT", "CC", (FilmFile(0, path, 2000 + number, version),))


def measured(number):
    return MeasuredFilm(film(number), 4000 + number, 3000, film(number).version, True)


def image(number):
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    staged = f"images/train/{film(number).image_name}.{digest[:16]}.png"
    return PreparedImage(film(number), 4000 + number, 3000, staged, 9000 + number, digest)


def batches(first=12_345, count=BATCH_FILMS, omissions=()):
    numbers = range(first, first + count)
    return [
        FilmBatch("train-00000", tuple(map(film, numbers))),
        MeasuredBatch("train-00000", tuple(map(measured, numbers)), omissions),
        PreparedBatch("train-00000", tuple(map(image, numbers)), omissions),
    ]


@pytest.mark.parametrize("batch", batches(omissions=OMITTED) + batches(count=1), ids=lambda batch: type(batch).__name__)
def test_a_batch_is_decoded_as_it_was_encoded(batch):
    coder = coders.registry.get_coder(type(batch))
    assert isinstance(coder, BatchCoder)
    assert coder.decode(coder.encode(batch)) == batch


@pytest.mark.parametrize(("batch", "share"), [*zip(batches(), (0.25, 0.25, 0.4), strict=True)])
def test_a_batch_has_few_bytes(batch, share):
    """The digests of images are random, so their batches are the largest."""
    coder = coders.registry.get_coder(type(batch))
    assert len(coder.encode(batch)) < share * len(pickle.dumps(batch, pickle.HIGHEST_PROTOCOL))


def test_every_stage_passes_batches_in_this_encoding():
    found = {}

    class Types(PipelineVisitor):
        def visit_transform(self, transform_node):
            for output in transform_node.outputs.values():
                found[transform_node.full_label] = output.element_type

    pipeline = beam.Pipeline()
    preprocess.build(pipeline, dataclasses.replace(recipe(), plan=PlanFiles("folder", train=1)), None)
    pipeline.visit(Types())
    assert found["ReadPlan/ReadPiece"] is FilmBatch
    assert found["MeasureFilms/SpreadFilms/AddRandomKeys"] == typehints.KV[int, FilmBatch]
    assert found["MeasureFilms/ReadHeader"] is MeasuredBatch
    assert found["PrepareImages/SpreadMeasured/AddRandomKeys"] == typehints.KV[int, MeasuredBatch]
    assert found["PrepareImages/PadAndResize"] is PreparedBatch
    assert found["WriteDataset/GroupByPiece"] == typehints.KV[str, typehints.Iterable[PreparedBatch]]
