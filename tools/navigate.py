"""Write what notebooks/course.toml says into the notebooks and the README.

    python tools/navigate.py            write it
    python tools/navigate.py --check    only say what is out of date; exit status 1 when something is

Generated, never edited by hand: in each notebook the cells `course-objectives` (second) and `course-navigation` (last);
in README.md what stands between <!-- syllabus:start --> and <!-- syllabus:end -->, and between <!-- timetables:start -->
and <!-- timetables:end -->. A notebook that has a row but no file yet is listed as "to come", without a link.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from notebook_files import NOTEBOOKS, ROOT, canonical, course, read, write

README = ROOT / "README.md"
BREAK, WORK_BEFORE_BREAK = 10, 90  # minutes


@dataclass(frozen=True)
class Row:
    """One notebook of the syllabus."""

    name: str
    title: str
    minutes: int
    prerequisites: list[str]
    objectives: list[str]
    summary: str

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def exists(self) -> bool:
        return (NOTEBOOKS / f"{self.name}.ipynb").is_file()

    def link(self, folder: str = "") -> str:
        """Number and title, linked when there is something to link to."""
        text = f"{self.number} {self.title}"
        return f"[{text}]({folder}{self.name}.ipynb)" if self.exists else f"{text} (to come)"


class CourseError(Exception):
    """course.toml contradicts itself or the notebooks."""


def load(path: Path = NOTEBOOKS / "course.toml") -> tuple[dict[str, Row], list[dict]]:
    """The rows by number, in order, and the agendas. Raises CourseError for a row that cannot be right."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    agendas = data.pop("agenda", [])
    rows: dict[str, Row] = {}
    for name, values in data.items():
        try:
            row = Row(name=name, **values)
        except TypeError as error:
            raise CourseError(f"course.toml: [{name}]: {error}") from None
        if len(row.objectives) != 3:
            raise CourseError(
                f"course.toml: [{name}]: three objectives are wanted, there are {len(row.objectives)}"
            )
        if missing := [number for number in row.prerequisites if number not in rows]:
            raise CourseError(f"course.toml: [{name}]: prerequisites {missing} are not rows above it")
        rows[row.number] = row
    for agenda in agendas:
        timetable(agenda, rows, agendas)
    return rows, agendas


def objectives(row: Row, rows: dict[str, Row]) -> str:
    lines = "\n".join(f"* {line}" for line in row.objectives)
    needs = ", ".join(rows[number].link() for number in row.prerequisites) or "nothing: start here"
    return f"**You will be able to**\n\n{lines}\n\n**Time:** {row.minutes} minutes · **Builds on:** {needs}"


def navigation(row: Row, rows: dict[str, Row]) -> str:
    numbers = list(rows)
    at = numbers.index(row.number)
    before = [f"← {rows[numbers[at - 1]].link()}"] if at else []
    after = [f"{rows[numbers[at + 1]].link()} →"] if at + 1 < len(numbers) else []
    return "---\n\n" + " · ".join([*before, "[Contents](../README.md)", *after])


def syllabus(rows: dict[str, Row]) -> str:
    lines = ["| | Notebook | Minutes | What you find out |", "|---|---|--:|---|"]
    for row in rows.values():
        title = f"[{row.title}](notebooks/{row.name}.ipynb)" if row.exists else f"{row.title} *(to come)*"
        lines.append(f"| {row.number} | {title} | {row.minutes} | {row.summary} |")
    return "\n".join(lines)


def timetable(agenda: dict, rows: dict[str, Row], agendas: list[dict]) -> str:
    """One agenda as a table of starting times. Raises CourseError when it does not fit or skips a prerequisite."""
    title = agenda["title"]
    done = {n for other in agendas if other["title"] == agenda.get("follows") for n in other["notebooks"]}
    lines = [f"**{title}**", "", "| Start | Notebook |", "|--:|---|"]
    clock = since_break = 0
    for number in agenda["notebooks"]:
        if number not in rows:
            raise CourseError(f"course.toml: agenda {title!r}: there is no row {number}")
        row = rows[number]
        if missing := [need for need in row.prerequisites if need not in done]:
            raise CourseError(f"course.toml: agenda {title!r}: {number} needs {missing} before it")
        if since_break and since_break + row.minutes > WORK_BEFORE_BREAK:
            lines.append(f"| {_clock(clock)} | *break* |")
            clock, since_break = clock + BREAK, 0
        lines.append(f"| {_clock(clock)} | {row.link('notebooks/')} |")
        clock, since_break = clock + row.minutes, since_break + row.minutes
        done.add(number)
    if clock > agenda["minutes"]:
        raise CourseError(
            f"course.toml: agenda {title!r}: takes {clock} minutes, there are {agenda['minutes']}"
        )
    return "\n".join(
        [*lines, f"| {_clock(clock)} | *end; {agenda['minutes'] - clock} minutes for questions* |"]
    )


def put_cells(notebook: NotebookNode, row: Row, rows: dict[str, Row]) -> None:
    """Set the two generated cells, adding those that are missing."""
    kept = [
        cell for cell in notebook.cells if cell.get("id") not in ("course-objectives", "course-navigation")
    ]
    first = new_markdown_cell(objectives(row, rows), id="course-objectives")
    last = new_markdown_cell(navigation(row, rows), id="course-navigation")
    notebook.cells = [*kept[:1], first, *kept[1:], last]


def put_between(text: str, marker: str, block: str) -> str:
    """`text` with `block` between its two markers. Raises CourseError when they are not there."""
    start, end = f"<!-- {marker}:start -->", f"<!-- {marker}:end -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise CourseError(f"README.md: needs one line {start} and one line {end}")
    return re.sub(f"{start}.*{end}", lambda _: f"{start}\n{block}\n{end}", text, flags=re.DOTALL)


def generated() -> tuple[dict[Path, str], list[str]]:
    """Every file that holds something generated, as it should be; and what stands in the way of the others."""
    rows, agendas = load()
    names = {row.name: row for row in rows.values()}
    files, problems = {}, []
    for path in course():
        if path.stem not in names:
            problems.append(f"{path.name}: has no row in course.toml")
            continue
        notebook = read(path)
        put_cells(notebook, names[path.stem], rows)
        files[path] = canonical(notebook)
    tables = "\n\n".join(timetable(agenda, rows, agendas) for agenda in agendas)
    try:
        text = put_between(README.read_text(encoding="utf-8"), "syllabus", syllabus(rows))
        files[README] = put_between(text, "timetables", tables)
    except (CourseError, FileNotFoundError) as error:
        problems.append(str(error))
    return files, problems


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, say what is out of date")
    check = parser.parse_args(arguments).check
    try:
        files, problems = generated()
    except CourseError as error:
        files, problems = {}, [str(error)]
    for path, text in files.items():
        if check and path.read_text(encoding="utf-8") != text:
            problems.append(
                f"{path.relative_to(ROOT)}: out of date with course.toml: run `python tools/navigate.py`"
            )
        elif not check and write(path, text):
            print(f"{path.relative_to(ROOT)}: written")
    print("\n".join(problems), end="\n" * bool(problems), file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
