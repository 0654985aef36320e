"""Every notebook runs from top to bottom. Its exercises run twice: untried, as committed, and with their solutions.

Seconds are printed (`pytest -rP`), never asserted: they belong to the machine.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import execute
import notebook_files

MOST_OWED = 11  # when the list was made
WRONG = Path(__file__).parent / "wrong_answers"
OWED = Path(__file__).parent / "wrong_answers" / "owed.toml"
VERDICT = re.compile(r"^(○|✗|✓) ", re.MULTILINE)
notebooks = pytest.mark.parametrize("path", notebook_files.course(), ids=lambda path: path.stem)


def lines(done, kind):
    """{N: what its checker prints}, of the cells tagged exercise-N, solution-N, or wrong-N with N = "2-1", say.

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
                found[tag.removeprefix(f"{kind}-")] = text
    return found


def verdicts(done, kind):
    """{N: what its checker says, by the first character}."""
    return {number: "".join(VERDICT.findall(text)) for number, text in lines(done, kind).items()}


def wrong_answers(path):
    """{tag: its wrong answers} of a notebook."""
    file = WRONG / f"{path.stem}.py"
    return execute.read_wrong_answers(file) if file.exists() else {}


def accepted(done, answers):
    """The wrong answers whose checker doesn't refuse them with one line that has the reason in it."""
    printed, found = lines(done, "wrong"), []
    for tag, each in answers.items():
        for number, answer in enumerate(each, 1):
            said = printed[f"{tag.removeprefix('exercise-')}-{number}"]
            refused = "".join(VERDICT.findall(said)) == "✗" and answer.reason in said
            found += [] if refused else [f"{tag}: {answer.name}: {said}"]
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
        done = execute.execute(path, execute.SOLUTIONS / f"{path.stem}.py", wrong=WRONG / f"{path.stem}.py")
        report(done)
        untried, solved = verdicts(done, "exercise"), verdicts(done, "solution")
        assert untried, "a notebook has exercises"
        assert untried == dict.fromkeys(untried, "○")
        assert untried.keys() == solved.keys()
        assert done.left_behind == []
        let_through = accepted(done, wrong_answers(path))
        if set(solved.values()) == {"✓"} and not let_through:
            break
    assert solved == dict.fromkeys(solved, "✓")
    assert let_through == []


@notebooks
def test_each_exercise_has_wrong_answers(path):
    """Two at least, so that its checker is known to check; the list of those still owed may only shrink."""
    notebook = notebook_files.read(path)
    exercises = {tag for cell in notebook.cells for tag in execute.exercise_tags(cell)}
    answers, owed = (
        wrong_answers(path),
        set(tomllib.loads(OWED.read_text(encoding="utf-8")).get(path.stem, [])),
    )
    enough = {tag for tag, each in answers.items() if len(each) >= 2}
    assert exercises - enough - owed == set(), "write two wrong answers each into tests/course/wrong_answers"
    assert owed & enough == set(), "these have their wrong answers: take them off the list of those owed"
    assert owed - exercises == set(), "these exercises are gone: take them off the list of those owed"


def test_wrong_answers_are_owed_by_the_first_notebooks_only():
    owed = tomllib.loads(OWED.read_text(encoding="utf-8"))
    assert owed.keys() <= {path.stem for path in notebook_files.course() if path.stem[:2] <= "06"}
    assert sum(map(len, owed.values())) <= MOST_OWED, "the list may only shrink"
