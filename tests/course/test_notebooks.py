"""Every notebook runs from top to bottom. Its exercises run twice: untried, as committed, and with their solutions.

Seconds are printed (`pytest -rP`), never asserted: they belong to the machine.
"""

from __future__ import annotations

import re

import pytest

import execute
import notebook_files

VERDICT = re.compile(r"^(○|✗|✓) ", re.MULTILINE)
notebooks = pytest.mark.parametrize("path", notebook_files.course(), ids=lambda path: path.stem)


def verdicts(done, kind):
    """{N: what its checker says, by the first character}, of the cells tagged exercise-N or solution-N.

    The checker is in one of the two cells below.
    """
    found = {}
    cells = done.notebook.cells
    for at, cell in enumerate(cells):
        for tag in cell.metadata.get("tags", []):
            if tag.startswith(f"{kind}-"):
                text = "\n".join(
                    output.get("text", "") or output.get("data", {}).get("text/plain", "")
                    for below in cells[at + 1 : at + 3]
                    for output in below.get("outputs", [])
                )
                found[tag.removeprefix(f"{kind}-")] = "".join(VERDICT.findall(text))
    return found


def report(done):
    seconds = sorted(((s, n) for n, s in enumerate(done.seconds, 1)), reverse=True)[:3]
    slow = ", ".join(f"cell {n} {s:.1f} s" for s, n in seconds)
    print(f"{done.path.stem}: {sum(done.seconds):.1f} s; {slow}")


def test_the_readme_shows_pictures_of_the_committed_run():
    pictures = {}
    for path in notebook_files.course():
        pictures |= execute.figures(notebook_files.read(path))
    readme = (notebook_files.ROOT / "README.md").read_text(encoding="utf-8")
    assert pictures
    assert {file: file.read_bytes() for file in notebook_files.FIGURES.glob("*.png")} == pictures
    assert [file.name for file in pictures if f"notebooks/figures/{file.name}" not in readme] == []


@pytest.mark.slow
@notebooks
def test_runs_from_top_to_bottom(path):
    # Some checkers ask for speed. A neighbour who takes a core away may spoil a race, but hardly two.
    for _ in range(2):
        done = execute.execute(path, execute.SOLUTIONS / f"{path.stem}.py")
        report(done)
        untried, solved = verdicts(done, "exercise"), verdicts(done, "solution")
        assert untried, "a notebook has exercises"
        assert untried == dict.fromkeys(untried, "○")
        assert untried.keys() == solved.keys()
        assert done.left_behind == []
        if set(solved.values()) == {"✓"}:
            break
    assert solved == dict.fromkeys(solved, "✓")
