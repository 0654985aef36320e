"""What tools/navigate.py makes of course.toml, and that the repository is up to date with it."""

from __future__ import annotations

import re

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

import navigate
import notebook_files

COURSE = """
[00_first]
title = "First"
minutes = 30
prerequisites = []
objectives = ["a", "b", "c"]
summary = "It starts."

[01_second]
title = "Second"
minutes = 60
prerequisites = ["00"]
objectives = ["d", "e", "f"]
summary = "It goes on."

[02_third]
title = "Third"
minutes = 40
prerequisites = ["00", "01"]
objectives = ["g", "h", "i"]
summary = "It ends."
"""
AGENDA = '\n[[agenda]]\ntitle = "Short"\nminutes = {minutes}\nnotebooks = {notebooks}\n'


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of three rows, two of them written, with a README."""
    monkeypatch.setattr(navigate, "ROOT", tmp_path)
    monkeypatch.setattr(navigate, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(navigate, "README", tmp_path / "README.md")
    paths = [tmp_path / "00_first.ipynb", tmp_path / "01_second.ipynb"]
    monkeypatch.setattr(navigate, "course", lambda: [path for path in paths if path.exists()])
    real = navigate.load
    monkeypatch.setattr(navigate, "load", lambda: real(tmp_path / "course.toml"))
    (tmp_path / "course.toml").write_text(
        COURSE + AGENDA.format(minutes=140, notebooks='["00", "01", "02"]'), encoding="utf-8"
    )
    markers = "".join(
        f"<!-- {name}:{end} -->\nold\n" for name in ("syllabus", "timetables") for end in ("start", "end")
    )
    (tmp_path / "README.md").write_text(f"# Course\n{markers}tail\n", encoding="utf-8")
    for path in paths:
        cells = [new_markdown_cell(f"# {path.stem}", id="one"), new_markdown_cell("text", id="two")]
        path.write_text(notebook_files.canonical(new_notebook(cells=cells)), encoding="utf-8")
    return tmp_path


def sources(path):
    return {cell.id: cell.source for cell in notebook_files.read(path).cells}


def test_writes_cells_and_tables_once(course, capsys):
    assert navigate.main(["--check"]) == 1
    assert navigate.main([]) == 0
    assert navigate.main(["--check"]) == 0
    written = {path: path.read_bytes() for path in course.iterdir()}
    assert navigate.main([]) == 0
    assert written == {path: path.read_bytes() for path in course.iterdir()}
    assert list(sources(course / "01_second.ipynb")) == [
        "one",
        "course-objectives",
        "two",
        "course-navigation",
    ]


def test_links_only_what_exists(course):
    navigate.main([])
    first, second = sources(course / "00_first.ipynb"), sources(course / "01_second.ipynb")
    assert "[01 Second](01_second.ipynb) →" in first["course-navigation"]
    assert "←" not in first["course-navigation"]
    assert "← [00 First](00_first.ipynb)" in second["course-navigation"]
    assert "02 Third (to come) →" in second["course-navigation"]
    assert "[00 First](00_first.ipynb)" in second["course-objectives"]
    assert "* d\n* e\n* f" in second["course-objectives"]
    readme = (course / "README.md").read_text(encoding="utf-8")
    assert "| 00 | [First](notebooks/00_first.ipynb) | 30 | It starts. |" in readme
    assert "| 02 | Third *(to come)* | 40 | It ends. |" in readme
    assert readme.startswith("# Course\n")
    assert "old\n<!-- timetables:start -->" in readme  # what stands outside the markers stays
    assert readme.endswith("old\ntail\n")


def test_the_timetable_counts_breaks(course):
    navigate.main([])
    readme = (course / "README.md").read_text(encoding="utf-8")
    starts = re.findall(r"^\| (\d:\d\d) \|", readme, re.MULTILINE)
    assert starts == ["0:00", "0:30", "1:30", "1:40", "2:20"]


@pytest.mark.parametrize("edit", ["| 30 |", "| 00 |"])
def test_an_edited_table_is_out_of_date(course, capsys, edit):
    navigate.main([])
    readme = course / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace(edit, "| 31 |"), encoding="utf-8")
    assert navigate.main(["--check"]) == 1
    assert "README.md: out of date" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (COURSE.replace('["a", "b", "c"]', '["a"]'), "three objectives"),
        (COURSE.replace('prerequisites = []', 'prerequisites = ["02"]'), "not rows above"),
        (COURSE.replace('summary = "It ends."', ""), "summary"),
        (COURSE + AGENDA.format(minutes=60, notebooks='["00", "01"]'), "takes 90 minutes"),
        (COURSE + AGENDA.format(minutes=90, notebooks='["01"]'), "needs ['00'] before"),
        (COURSE + AGENDA.format(minutes=90, notebooks='["07"]'), "no row 07"),
        (COURSE.replace("[01_second]", "[01_other]"), "has no row"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused(course, capsys, text, expected):
    (course / "course.toml").write_text(text, encoding="utf-8")
    assert navigate.main([]) == 1
    assert expected in capsys.readouterr().err


def test_a_readme_without_markers_is_reported(course, capsys):
    (course / "README.md").write_text("# Course\n", encoding="utf-8")
    assert navigate.main([]) == 1
    assert "<!-- syllabus:start -->" in capsys.readouterr().err


def test_the_repository_is_up_to_date(capsys):
    assert navigate.main(["--check"]) == 0, capsys.readouterr().err


def test_titles_are_those_of_the_notebooks():
    rows, _ = navigate.load()
    titles = {row.name: row.title for row in rows.values()}
    for path in notebook_files.course():
        assert notebook_files.read(path).cells[0].source.splitlines()[0] == f"# {titles[path.stem]}"
