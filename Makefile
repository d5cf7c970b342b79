# `make demo` and `make test` do all set-up themselves; everything lands in .venv and demo/.
PYTHON ?= python3
BIN := .venv/bin
SAMPLE := demo/sample
SET := demo/dataset
TRAIN := --training_steps 100 --batch_size 32

.PHONY: demo test lint lock clean

demo: .venv/train.stamp
	$(BIN)/python -m pipelines.make_sample --output $(SAMPLE) --patients 80
	$(BIN)/python -m pipelines.preprocess --input $(SAMPLE) --output $(SET) \
	    --train_csv '$(SAMPLE)/*_train_set.csv' --test_csv '$(SAMPLE)/*_test_set.csv'
	$(BIN)/python -m trainer.gpu_model --training_data_dir $(SET)/small_train --eval_data_dir $(SET)/small_test \
	    --model_dir demo/gpu_model $(TRAIN)
	$(BIN)/python -m trainer.tpu_model --training_data $(SET)/cache/ddsm_train.tfrecords \
	    --eval_data $(SET)/cache/ddsm_eval.tfrecords --model_dir demo/tpu_model $(TRAIN)

test: .venv/dev.stamp lint
	$(BIN)/python -m pytest

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: .venv/dev.stamp
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --extra dev pyproject.toml \
	    -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --extra train pyproject.toml \
	    -c requirements/dev.txt -o requirements/train.txt

clean:
	rm -rf .venv demo build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

.venv/train.stamp: requirements/train.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -r requirements/train.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

.venv/dev.stamp: requirements/dev.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -r requirements/dev.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@ .venv/train.stamp

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	    { echo "$(PYTHON) is not Python 3.11 to 3.13; name one: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
