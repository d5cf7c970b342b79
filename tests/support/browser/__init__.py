"""Opens pages in a browser with Node.js: `pages.mjs` looks at a page, the other scripts also operate it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

needs_browser = pytest.mark.skipif(
    not (BROWSER and shutil.which("node") and (FOLDER / "node_modules").exists()),
    reason="needs chromium, Node.js and npm; `make test-page` installs the rest",
)


def run_script(script, page, pictures):
    """Runs a script on the file of a page; returns what it found, and asserts that the page itself has no faults.

    pictures: a folder for screenshots.
    """
    command = ["node", str(FOLDER / script), str(page), str(BROWSER), str(pictures)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert [(look["width"], look["colorScheme"]) for look in found["looks"]] == [
        (390, "light"), (390, "dark"), (1440, "light"), (1440, "dark"),
    ]  # fmt: skip
    for look in found["looks"]:
        assert look["messages"] == []
        assert look["requests"] == [f"file://{page}"]
        assert (look["overflow"], look["broken"]) == (0, 0)
        assert look["violations"] == []
        assert look["passes"] > 15
    return found
