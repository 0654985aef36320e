"""Notebooks as files: where they are, and the one form in which they are written.

The form is nbformat's own (and so JupyterLab's): JSON with an indent of one, sorted keys, UTF-8, a newline at the end.
Metadata is reduced to what a reader needs, so that a diff shows changes of content only.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SOLUTIONS = NOTEBOOKS / "solutions"
FIGURES = NOTEBOOKS / "figures"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
CELL_METADATA = {"tags", "editable", "deletable"}


def course() -> list[Path]:
    """The notebooks of the course, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> NotebookNode:
    """The notebook at `path`; ids that are missing or taken are replaced (policy.py reports them)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nbformat.read(path, as_version=4)


def canonical(notebook: NotebookNode) -> str:
    """The text of the file. Changes nothing in `notebook`."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    taken: set[str] = set()
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata = {
            key: value for key, value in cell.metadata.items() if key in CELL_METADATA and value != []
        }
        name = cell.get("id", "")
        if name in taken or not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII):
            cell.id = next(
                free for n in range(99) if (free := f"cell-{number}" + f"-{n}" * (n > 0)) not in taken
            )
        taken.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"
    # base64 holds "+/", which looks like the start of an absolute path to whatever searches a notebook for one (policy.py
    # does): store such a picture as a list of strings, cut there. Readers join lists.
    return re.sub(r'^( *)("image/png": )("[\w+/=\\]+")', _cut, text, flags=re.MULTILINE | re.ASCII)


def write(path: Path, text: str) -> bool:
    """Replace the file in one step, so that no reader sees half of it. True when that changed it."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(scratch, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
    return True


def _cut(match: re.Match) -> str:
    indent, key, data = match.groups()
    pieces = re.split(r"(?<=\+)(?=/)", json.loads(data))
    if len(pieces) == 1:
        return match[0]
    return (
        f"{indent}{key}[\n" + ",\n".join(f"{indent} {json.dumps(piece)}" for piece in pieces) + f"\n{indent}]"
    )


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one stream as one output: how a stream is cut depends on timing."""
    joined: list[NotebookNode] = []
    for output in outputs:
        before = joined[-1] if joined else None
        if before and output.output_type == before.output_type == "stream" and output.name == before.name:
            joined[-1] = nbformat.from_dict(before | {"text": before.text + output.text})  # `|` gives a dict
        else:
            joined.append(output)
    return [nbformat.from_dict(output) for output in joined]
