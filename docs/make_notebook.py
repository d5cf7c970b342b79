"""Makes docs/tutorial.ipynb from docs/tutorial.md: `python docs/make_notebook.py [--execute FOLDER] OUTPUT`.

Text becomes cells of text. Of the code blocks, those marked `sh` become cells of Bash that stop at the first command
that fails; `sh real` does nothing unless REAL_FILMS is `yes`; `python` becomes cells of Python. All other blocks stay
text. Text between `<!-- page -->` and `<!-- /page -->` is left out. A comment that begins with `<!-- notebook` is text
of the notebook only. Links to other files of the project become their names, because a notebook is often opened alone.

It needs the packages of requirements/notebook.txt; `make notebook` runs it.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

SOURCE = Path(__file__).with_name("tutorial.md")
PAGE_ONLY = re.compile(r"<!-- page -->\n.*?<!-- /page -->\n", re.DOTALL)
NOTEBOOK_ONLY = re.compile(r"<!-- notebook\n(.*?)-->\n", re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https://)([^)]+)\)")
BLOCK = re.compile(r"^```(sh|sh real|python)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
START = {
    "sh": "%%bash -e\n",
    "sh real": '%%bash -e\n[ "$REAL_FILMS" = yes ] || { echo "REAL_FILMS is not yes: nothing is run."; exit 0; }\n',
    "python": "",
}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NOTE = re.compile(
    r"^(WARNING: All log messages before absl|To enable the following instructions|[IWE]\d{4} \d\d:\d\d).*\n",
    re.MULTILINE,
)
"""TensorFlow's notes about its build, the processor and missing GPUs, with times and process numbers; left out."""
SHOWN_FOLDER = "/content"
"""What the outputs contain in place of the folder in which the notebook was executed: the folder of Colab."""


def make(text: str) -> nbformat.NotebookNode:
    """Returns the notebook, without outputs, of a text in Markdown."""
    text = NOTEBOOK_ONLY.sub(r"\1", PAGE_ONLY.sub("", text))
    cells = list(_cells(text))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


def _cells(text: str) -> Iterator[nbformat.NotebookNode]:
    """Yields the cells; each chapter begins a new one."""
    for chapter in re.split(r"^(?=## )", text, flags=re.MULTILINE):
        *parts, rest = BLOCK.split(chapter)
        for words, kind, code in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            yield from _text_cell(words)
            yield nbformat.v4.new_code_cell(START[kind] + code.rstrip("\n"))
        yield from _text_cell(rest)


def _text_cell(words: str) -> Iterator[nbformat.NotebookNode]:
    if words.strip():
        yield nbformat.v4.new_markdown_cell(LINK.sub(r"`docs/\1`", words.strip()))


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Runs all cells in a folder and returns the notebook with their outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell has failed.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=None, coalesce_streams=True, record_timing=False, resources=place).execute()
    notebook["metadata"] = METADATA
    for cell in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        for output in (output for output in cell["outputs"] if output["output_type"] == "stream"):
            output["text"] = NOTE.sub("", output["text"])
        cell["outputs"] = [output for output in cell["outputs"] if output.get("text") != ""]
    return nbformat.reads(nbformat.writes(notebook).replace(str(folder), SHOWN_FOLDER), as_version=4)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the notebook to write")
    parser.add_argument("--execute", type=Path, metavar="FOLDER", help="an empty folder in which the cells are run")
    options = parser.parse_args()
    notebook = make(SOURCE.read_text())
    if options.execute:
        notebook = execute(notebook, options.execute)
    nbformat.validate(notebook)
    nbformat.write(notebook, options.output)


if __name__ == "__main__":
    main()
