"""The allowed imports between packages, and modules that a process must not load."""

import ast
import subprocess
import sys

import pytest

from tests import ROOT

PACKAGES = ("preprocess", "pipelines", "trainer")
SHARED = {"preprocess.contract", "preprocess.runtime", "preprocess.files"}
ORDER = {
    "preprocess": ("contract", "runtime", "files", "cases", "images", "dataset", "job"),
    "trainer": ("data", "network", "runtime", "model_dir", "loop", "results"),
}
"""The packages of each top-level package. A package imports only packages to its left."""


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def own_imports(path):
    """The packages of this project that a module imports, e.g. "preprocess.files"."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] in PACKAGES and len(parts) > 1:
            yield parts[0], parts[1]


@pytest.mark.parametrize("top", ORDER)
def test_packages_import_to_the_left_only(top):
    order = ORDER[top]
    found = {path.name for path in (ROOT / top).iterdir() if (path / "__init__.py").exists()}
    assert found == set(order)
    for number, package in enumerate(order):
        for path in modules(f"{top}/{package}"):
            for imported_top, imported in own_imports(path):
                where = f"{path.relative_to(ROOT)} imports {imported_top}.{imported}"
                if imported_top == top:
                    assert imported in (*order[: number + 1], "options", "settings"), where
                else:
                    assert top == "trainer", where
                    assert f"{imported_top}.{imported}" in SHARED, where


def test_the_trainers_share_three_packages_of_preprocess():
    for path in modules("trainer"):
        assert {f"{top}.{name}" for top, name in own_imports(path) if top != "trainer"} <= SHARED, path


def test_images_and_dataset_do_not_import_each_other():
    for package, other in (("images", "dataset"), ("images", "cases"), ("dataset", "images")):
        for path in modules(f"preprocess/{package}"):
            assert ("preprocess", other) not in set(own_imports(path)), path


def test_all_packages_have_a_docstring():
    for top in PACKAGES:
        for path in (ROOT / top).rglob("__init__.py"):
            assert ast.get_docstring(ast.parse(path.read_text())), path


def test_the_schema_needs_the_standard_library_only():
    names = {name.split(".")[0] for name in imports(ROOT / "preprocess/contract/schema.py")}
    assert names <= set(sys.stdlib_module_names)


def test_beam_is_imported_in_one_package_of_preprocess():
    users = {
        path.parent.name for path in modules("preprocess") if any(n.startswith("apache_beam") for n in imports(path))
    }
    assert users == {"job"}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("preprocess.job.transforms", ["tensorflow", "pandas"]),
        ("pipelines.preprocess", ["tensorflow", "pandas"]),
        ("trainer.gpu_model", ["apache_beam", "pipelines", "tensorflow", "pandas"]),
        ("trainer.tpu_model", ["apache_beam", "pipelines", "tensorflow", "pandas"]),
        ("trainer.session", ["apache_beam", "pipelines", "pandas"]),
    ],
)
def test_modules_that_are_not_loaded(module, absent):
    program = f"import sys, {module}; print([name for name in {absent} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_imports_start_no_threads_print_nothing_and_keep_the_environment():
    program = (
        "import os, sys, threading, pkgutil, importlib, trainer.runtime.startup\n"
        "trainer.runtime.startup.import_tensorflow()\n"
        f"for package in {PACKAGES}:\n"
        "    for found in pkgutil.walk_packages([package], f'{package}.'):\n"
        "        importlib.import_module(found.name)\n"
        "print(threading.active_count(), os.environ.get('TF_CPP_MIN_LOG_LEVEL'))"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ran.stdout.strip(), ran.stderr) == ("1 None", "")
