"""What may import what, and what a worker never has to load."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("preprocess", "pipelines", "trainer")
MAY_IMPORT = {
    "preprocess": {"preprocess"},
    "pipelines": {"preprocess", "pipelines", "trainer"},
    "trainer": {
        "trainer",
        "preprocess.schema",
        "preprocess.errors",
        "preprocess.example",
        "preprocess.records",
        "preprocess.command",
        "preprocess.locking",
        "preprocess.log",
        "preprocess.storage",
        "preprocess.stores.gcs",
    },
}


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package):
    for path in modules(package):
        for name in imports(path):
            if name.split(".")[0] in PACKAGES:
                allowed = MAY_IMPORT[package]
                assert name.split(".")[0] in allowed or any(name.startswith(f"{a}.") or name == a for a in allowed), (
                    f"{path.relative_to(ROOT)} imports {name}"
                )


def test_the_contract_needs_the_standard_library_only():
    names = {name.split(".")[0] for name in imports(ROOT / "preprocess/schema.py")}
    assert names <= set(sys.stdlib_module_names)


def test_beam_stands_in_two_modules_of_preprocess():
    users = {p.name for p in modules("preprocess") if any(n.startswith("apache_beam") for n in imports(p))}
    assert users == {"transforms.py", "beam_files.py"}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("preprocess.transforms", ["tensorflow", "pandas"]),
        ("pipelines.preprocess", ["tensorflow", "pandas"]),
        ("trainer.gpu_model", ["apache_beam", "pipelines", "tensorflow", "pandas"]),
        ("trainer.tpu_model", ["apache_beam", "pipelines", "tensorflow", "pandas"]),
        ("trainer.session", ["apache_beam", "pipelines", "pandas"]),
    ],
)
def test_what_is_never_loaded(module, absent):
    program = f"import sys, {module}; print([name for name in {absent} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_nothing_happens_at_import():
    program = (
        "import sys, threading, pkgutil, importlib, trainer.startup\n"
        "trainer.startup.import_tensorflow()\n"
        f"for package in {PACKAGES}:\n"
        "    for found in pkgutil.walk_packages([package], f'{package}.'):\n"
        "        importlib.import_module(found.name)\n"
        "print(threading.active_count())"
    )
    untold = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}  # by another test
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=untold, capture_output=True, text=True, check=True
    )
    assert (ran.stdout.strip(), ran.stderr) == ("1", "")
