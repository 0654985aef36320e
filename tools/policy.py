"""Check that the notebooks and the repository keep the rules of the course.

    python tools/policy.py                  everything
    python tools/policy.py notebooks/02_the_gil.ipynb README.md
    python tools/policy.py --fix            first repair what is mechanical: JSON, ids, metadata; never prose or outputs

Prints one line for each thing to change, `file: cell N: what: how to fix it`; exit status 1 when there is any.

The form     canonical JSON (nbformat 4.5), unique ids, kernelspec python3, no metadata but tags
The run      every code cell executed, counts 1..n; no error unless the cell is tagged raises-exception; nothing on stderr
The outputs  text, small HTML tables, PNG and SVG only; pictures under 60 kB and with alternative text, the notebook under
             400 kB; no absolute path
The shape    H1 and a promise first, one H1, no heading level skipped, the sections that every notebook has; 15 to 45
             cells, 500 to 1,800 words of Markdown, code cells of at most 30 lines besides imports
The words    no measured figure in Markdown, none of the words that make a learner feel slow, no bare "thread-safe"
The links    files and headings that are linked to exist
Exercises    each has a hint, a stub tagged exercise-N, a checker and a solution
Repository   nothing compiled, nothing generated from C, no path of somebody's machine, no file over 1 MB
Versions     what notebooks/versions.toml claims still stands in its notebook, and the running Python has not outgrown it
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from nbformat import NotebookNode

from execute import exercise_tags, read_solutions
from notebook_files import NOTEBOOKS, ROOT, SOLUTIONS, canonical, course, read, write

Finding = tuple[int | None, str, str]  # cell number (None: the whole file), what is wrong, how to fix it

CELLS, WORDS, LINES = (15, 45), (500, 1_800), 30
IMPORT = re.compile(r"(from|import) ")
NOTEBOOK_BYTES, PICTURE_BYTES, TABLE_BYTES, FILE_BYTES = 400_000, 60_000, 20_000, 1_000_000
MIME = {"text/plain", "text/markdown", "text/html", "image/png", "image/svg+xml"}
SECTIONS = ("Where it bites", "When to use", "Exercises", "Further reading")
GENERATED = {"course-objectives", "course-navigation"}
PATH = r"(?<![\w.:/<\"-])/(?:[\w.@+-]+/){2,}[\w.-]{1,40}"
HOME = r"(?:/(?:home|Users|work)/[\w.-]+/|(?<![\w.])/(?:root)/|\b[A-Z]:\\Users\\)"
FIGURE = r"\b\d[\d,.]*\s?(?:×|x|times)\s(?:faster|slower|quicker|speed|as fast|as slow|as long|the speed)"
BANNED = r"\b(?:simply|just|obviously|easy|easily|blazing(?:ly)?|trivial(?:ly)?)\b|(?<!not )\bthread[- ]safe\b(?! for)"
COMPILED = {".so", ".o", ".a", ".pyd", ".dll", ".dylib", ".pyc", ".whl"}
VERSIONS = NOTEBOOKS / "versions.toml"
RERUN = "run `./build.sh run NN --save`"


def form(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    text = path.read_text(encoding="utf-8")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield None, "kernelspec is not python3", "run policy.py --fix"
    ids = [cell.get("id") for cell in json.loads(text)["cells"]]
    for number, name in enumerate(ids, 1):
        if not name or name in ids[: number - 1]:
            yield number, f"id {name!r} is missing or taken", "run policy.py --fix"
    if text != canonical(notebook):
        yield None, "not in canonical form", "run policy.py --fix"
    if len(text.encode()) > NOTEBOOK_BYTES:
        yield (
            None,
            f"{len(text.encode()) // 1000} kB, more than {NOTEBOOK_BYTES // 1000}",
            "make outputs smaller",
        )


def executed(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    count = 0
    for number, cell in _code(notebook):
        count += 1
        if cell.execution_count != count:
            yield number, f"execution count {cell.execution_count}, not {count}", RERUN
            return


def outputs(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    for number, cell in _code(notebook):
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                yield number, f"ends in {output.ename}", "catch it, or tag the cell raises-exception"
            if output.get("name") == "stderr":
                yield number, f"prints to stderr: {output.text.strip()[:60]!r}", "cure the warning"
            for mime, data in output.get("data", {}).items():
                yield from (
                    (number, what, how) for what, how in _picture_or_table(mime, data, output.metadata)
                )
        stored = json.dumps(json.loads(canonical(_alone(cell)))["cells"][0]["outputs"])
        for found in sorted(
            {*re.findall(PATH, _text(cell)), *re.findall(HOME, _text(cell)), *re.findall(PATH, stored)}
        ):
            yield number, f"an output shows the path {found[:60]}", "print a relative path or a name"


def _picture_or_table(mime: str, data: str, metadata: dict) -> Iterator[tuple[str, str]]:
    if mime not in MIME:
        yield f"output of type {mime}", "show text, a table or a picture: GitHub shows nothing else"
    if mime.startswith("image/"):
        size = len(data) * 3 // 4 if mime == "image/png" else len(data.encode())
        if size > PICTURE_BYTES:
            yield f"a picture of {size // 1000} kB, more than {PICTURE_BYTES // 1000}", "use workbench.draw"
        if not metadata.get(mime, {}).get("alt", "").strip():
            yield "a picture without alternative text", "use workbench.draw, or set metadata alt"
    if mime == "text/html":
        if len(data) > TABLE_BYTES or "<table" not in data:
            yield "HTML that is not a small table", "display Markdown instead"
        if re.search(r"<(?:script|style|iframe|link|svg)\b|\bon\w+=", data):
            yield "HTML with scripts or styles", "display Markdown instead"


def shape(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    if not CELLS[0] <= len(notebook.cells) <= CELLS[1]:
        yield None, f"{len(notebook.cells)} cells, not {CELLS[0]} to {CELLS[1]}", "split or join cells"
    words = sum(len(re.findall(r"\w[\w'’-]*", cell.source)) for _, cell in _prose(notebook))
    if not WORDS[0] <= words <= WORDS[1]:
        yield None, f"{words} words of Markdown, not {WORDS[0]} to {WORDS[1]:,}", "cut, or explain more"
    for number, cell in _code(notebook):
        # Not counted: imports, one line for each module that defines a name.
        if (lines := len([line for line in cell.source.splitlines() if not IMPORT.match(line)])) > LINES:
            yield number, f"{lines} lines, more than {LINES}", "split the cell, or move helpers out of it"
    first = notebook.cells[0] if notebook.cells else None
    if not first or first.cell_type != "markdown" or not re.match(r"# \S[^\n]*\n+[^#\s]", first.source):
        yield 1, "no H1 with a promise under it", "start with `# Title` and one sentence"
    level, titles = 0, []
    for number, depth, title in _headings(notebook):
        if depth == 1 and titles:
            yield number, f"a second H1: {title!r}", "use ##"
        if depth > level + 1 and titles:
            yield number, f"heading level jumps from {level} to {depth}: {title!r}", "use the next level"
        level = depth
        titles.append(title)
    for section in SECTIONS:
        if not any(title.lower().startswith(section.lower()) for title in titles):
            yield None, f"no section {section!r}", "add it: every notebook has it"


def words(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    for number, cell in _prose(notebook):
        prose = _without_code(cell.source)
        for found in re.findall(FIGURE, cell.source):
            yield number, f"states a figure: {found!r}", "let a code cell say it: say(f'...')"
        for found in re.findall(BANNED, prose, re.IGNORECASE):
            how = (
                "say which operations, on which objects"
                if "thread" in found.lower()
                else "leave the word out"
            )
            yield number, f"{found!r}", how
    for number, cell in enumerate(notebook.cells, 1):
        for found in re.findall(HOME, cell.source):
            yield number, f"the path {found} of one machine", "use a relative path"


def links(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    anchors = {title.replace(" ", "-") for _, _, title in _headings(notebook)}
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            for what in _broken(cell.source, path, anchors):
                yield number, what, "mend the link"


def exercises(notebook: NotebookNode, path: Path) -> Iterator[Finding]:
    numbered = list(enumerate(notebook.cells, 1))
    stubs = {tag: number for number, cell in numbered for tag in exercise_tags(cell)}
    tasks = {f"exercise-{match[1]}": number for number, cell in _prose(notebook)
             for match in re.finditer(r"^### Exercise (\d+)\b", cell.source, re.MULTILINE)}  # fmt: skip
    solutions_file = SOLUTIONS / f"{path.stem}.py"
    solutions = read_solutions(solutions_file) if solutions_file.is_file() else {}
    for tag in sorted(tasks.keys() | stubs.keys() | solutions.keys()):
        number = tasks.get(tag) or stubs.get(tag)
        if tag not in tasks:
            yield number, f"{tag} has no task", f"write `### Exercise {tag[9:]}: ...`"
        elif not any("<details>" in cell.source for _, cell in numbered[number - 1 : stubs.get(tag, number)]):
            yield number, f"{tag} has no hint", "add one in <details>"
        if tag not in stubs:
            yield number, f"{tag} has no stub", f"tag its code cell {tag}"
        elif not any(
            re.search(r"\b(?:check_\w+|prediction)\(", cell.source)
            for _, cell in numbered[stubs[tag] : stubs[tag] + 2]
        ):
            yield stubs[tag], f"{tag} has no checker", "call check_function or check_value in the next cell"
        if tag not in solutions:
            yield number, f"{tag} has no solution", f"add `# %% {tag}` to solutions/{path.stem}.py"


def repository(files: list[str]) -> Iterator[tuple[str, Finding]]:
    """What git would commit."""
    for name in files:
        path = ROOT / name
        if not path.is_file():
            continue
        if path.suffix in COMPILED:
            yield name, (None, "a compiled file", f"git rm --cached {name}")
            continue
        if path.stat().st_size > FILE_BYTES:
            yield name, (None, f"{path.stat().st_size // 1000} kB", "make it smaller, or generate it")
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix in {".c", ".cpp"} and re.search(
            r"Generated by (?:Cython|cffi)|Automatically generated", text[:2000]
        ):
            yield name, (None, "generated C", f"git rm --cached {name}")
        for found in sorted(set(re.findall(HOME, text))) if path.suffix != ".ipynb" else []:
            yield name, (None, f"the path {found} of one machine", "use a relative path")


def versions(
    claims: Iterable[dict[str, str]],
    running: tuple[int, int],
    markdown: Callable[[str], list[str] | None],
) -> Iterator[Finding]:
    """Statements that hold for some versions of Python only. `markdown` gives the Markdown cells of a notebook, or None."""
    for claim in claims:
        name = f"{claim['notebook']}: {claim['text'][:60]!r}"
        cells = markdown(claim["notebook"])
        first, last = _version(claim["first"]), _version(claim["last"])
        if cells is None:
            yield None, f"{name}: there is no such notebook", "correct the name"
        elif not any(claim["text"] in cell for cell in cells):
            yield None, f"{name}: is not word for word in a Markdown cell", "change it with the sentence"
        if first > last:
            yield None, f"{name}: first {claim['first']} is after last {claim['last']}", "correct them"
        if running > last:
            what = f"was checked up to Python {claim['last']}, this is {running[0]}.{running[1]}"
            how = f"read {claim['source']} again, then change the sentence or `last`"
            yield None, f"{name}: {what}", how
        if not claim["source"].startswith("https://"):
            yield None, f"{name}: the source is not an address", "say where it can be read"


def claims() -> list[dict[str, str]]:
    """What notebooks/versions.toml holds."""
    return tomllib.loads(VERSIONS.read_text(encoding="utf-8")).get("claim", [])


def prose_of(name: str) -> list[str] | None:
    """The Markdown cells of the notebook of that name, or None when there is no such notebook."""
    path = NOTEBOOKS / f"{name}.ipynb"
    if not path.is_file():
        return None
    return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]


def page(path: Path) -> Iterator[Finding]:
    """Links of a Markdown file."""
    text = path.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ +(.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for what in _broken(text, path, anchors):
        yield None, what, "mend the link"


RULES = (form, executed, outputs, shape, words, links, exercises)


def check(path: Path) -> list[str]:
    """Every finding about one notebook or Markdown file, as lines."""
    if path.suffix == ".md":
        return [_line(path, finding) for finding in page(path)]
    try:
        notebook = read(path)
    except Exception as error:  # whatever nbformat and json raise for what is not a notebook
        return [_line(path, (None, f"not a notebook ({error})", "restore it with git"))]
    return [_line(path, finding) for rule in RULES for finding in rule(notebook, path)]


def _line(path: Path, finding: Finding) -> str:
    number, what, how = finding
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    return f"{name}: " + (f"cell {number}: " if number else "") + f"{what}: {how}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _code(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Code cells that hold something, numbered as cells are."""
    return ((n, c) for n, c in enumerate(notebook.cells, 1) if c.cell_type == "code" and c.source.strip())


def _prose(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Markdown cells written by hand."""
    cells = enumerate(notebook.cells, 1)
    return ((n, c) for n, c in cells if c.cell_type == "markdown" and c.get("id") not in GENERATED)


def _headings(notebook: NotebookNode) -> Iterator[tuple[int, int, str]]:
    for number, cell in _prose(notebook):
        text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
        for match in re.finditer(r"^(#+) +(.+?)\s*$", text, re.MULTILINE):
            yield number, len(match[1]), match[2]


def _without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)", "", text, flags=re.DOTALL)


def _text(cell: NotebookNode) -> str:
    """What a reader of the outputs sees as text."""
    parts = [output.get("text", "") + "\n".join(output.get("traceback", [])) for output in cell.outputs]
    parts += [
        data
        for output in cell.outputs
        for mime, data in output.get("data", {}).items()
        if mime != "image/png"
    ]
    return re.sub(r"\w+://\S+", "", "\n".join(parts))


def _alone(cell: NotebookNode) -> NotebookNode:
    return NotebookNode(nbformat=4, nbformat_minor=5, metadata=NotebookNode(), cells=[cell])


def _broken(text: str, path: Path, anchors: set[str]) -> Iterator[str]:
    """Links of `text`, standing in the file `path`, to files or headings that do not exist."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)[^)]*\)|<(?:img|a)\b[^>]*?(?:src|href)=\"([^\"]+)\"", text):
        target = target[0] or target[1]
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        if name and not (path.parent / name).exists():
            yield f"links to {name}, which does not exist"
        elif not name and anchor not in anchors:
            yield f"links to #{anchor}, a heading that does not exist"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", nargs="*", type=Path, help="notebooks and Markdown files; everything when none is given"
    )
    parser.add_argument("--fix", action="store_true", help="repair JSON, ids and metadata first")
    options = parser.parse_args(arguments)
    files = [path.resolve() for path in options.files if path.suffix in {".ipynb", ".md"}]
    lines = []
    if not options.files:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
        )  # a zip has no git
        files = [*course(), *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("csrc/*.md"))]
        lines = [_line(ROOT / name, finding) for name, finding in repository(listed.stdout.splitlines())]
        outgrown = versions(claims(), sys.version_info[:2], prose_of)
        lines += [_line(VERSIONS, finding) for finding in outgrown]
    for path in files:
        if options.fix and path.suffix == ".ipynb" and write(path, canonical(read(path))):
            print(f"{path.name}: put in canonical form")
        lines += check(path)
    print("\n".join(lines), end="\n" * bool(lines))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
