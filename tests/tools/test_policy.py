"""Each rule of tools/policy.py is broken once on a notebook that keeps them all, and must be seen."""

from __future__ import annotations

import base64
import json
import os

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import notebook_files
import policy

HOME = "/" + "home/ada/course/"  # in two parts: the policy reads this file too


def picture(size=300, **metadata):
    data = base64.b64encode(os.urandom(size)).decode()
    return new_output("display_data", data={"image/png": data, "text/plain": "x"}, metadata=metadata)


def good():
    sections = ["A question", "Where it bites", "When to use it", "Exercises", "Further reading"]
    cells = [new_markdown_cell("# Title\n\nOne sentence that promises something.")]
    cells += [new_markdown_cell(f"## {section}\n\n" + "word " * 120) for section in sections[:4]]
    cells += [
        new_markdown_cell("### Exercise 1: add\n\nAdd.\n\n<details><summary>Hint</summary>Use +.</details>"),
        new_code_cell("def add(a, b): return ...", metadata={"tags": ["exercise-1"]}),
        new_code_cell("check_function(add, operator.add, [(1, 2)])"),
        new_code_cell("figure", outputs=[picture(**{"image/png": {"alt": "a picture"}})]),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]},
                      outputs=[new_output("error", ename="ZeroDivisionError", evalue="", traceback=["why"])]),
    ]  # fmt: skip
    cells += [new_code_cell(f"{n}") for n in range(5)]
    cells += [
        new_markdown_cell(
            "## Further reading\n\n[this](99_test.ipynb), [up](#Where-it-bites), [web](https://a.org/b/c/d)"
        )
    ]
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    return new_notebook(cells=cells)


@pytest.fixture
def findings(tmp_path, monkeypatch):
    """Write a notebook, and return what the policy says of it."""
    monkeypatch.setattr(policy, "SOLUTIONS", tmp_path / "solutions")
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "99_test.py").write_text("# %% exercise-1\ndef add(a, b): return a + b\n")

    def check(notebook, edit=None):
        path = tmp_path / "99_test.ipynb"
        text = notebook_files.canonical(notebook)
        path.write_text(edit(text) if edit else text, encoding="utf-8")
        return policy.check(path)

    return check


def test_a_good_notebook_passes(findings):
    assert findings(good()) == []


def code(notebook, n=0):
    return [cell for cell in notebook.cells if cell.cell_type == "code"][n]


def set_source(n, source):
    return lambda notebook: setattr(notebook.cells[n], "source", source)


def add_prose(text):
    return lambda notebook: setattr(notebook.cells[1], "source", notebook.cells[1].source + text)


def add_output(*args, **kwargs):
    return lambda notebook: code(notebook, 4).outputs.append(new_output(*args, **kwargs))


def display(**data):
    data = {mime.replace("_", "/"): value for mime, value in data.items()}
    return add_output("display_data", data=data)


BREAKS = {
    "execution count 7": lambda nb: setattr(code(nb, 1), "execution_count", 7),
    "execution count None": lambda nb: setattr(code(nb, 4), "execution_count", None),
    "ends in KeyError": add_output("error", ename="KeyError", evalue="", traceback=[]),
    "prints to stderr": add_output("stream", name="stderr", text="Warning: no"),
    "type application/javascript": display(application_javascript="alert()"),
    "not a small table": display(text_html="<b>bold</b>"),
    "HTML with scripts": display(text_html="<table></table><script>x</script>"),
    "picture of 70 kB": lambda nb: code(nb, 3).outputs.append(picture(70_001, **{"image/png": {"alt": "x"}})),
    "without alternative text": lambda nb: code(nb, 3).outputs.append(picture()),
    "shows the path /usr/lib/python3/x.py": add_output("stream", text="see /usr/lib/python3/x.py\n"),
    f"shows the path {HOME[:9]}": display(text_plain=f"at {HOME}x"),
    "46 cells": lambda nb: nb.cells.extend(new_markdown_cell("word") for _ in range(30)),
    "14 cells": lambda nb: nb.cells.__delitem__(slice(11, 13)),
    "words of Markdown": add_prose("word " * 1500),
    "31 lines": lambda nb: setattr(code(nb, 4), "source", "x = 1\n" * 31),
    "no H1 with a promise": set_source(0, "# Title"),
    "a second H1": add_prose("\n\n# Again"),
    "level jumps from 2 to 4": add_prose("\n\n#### Deep"),
    "no section 'Where it bites'": set_source(2, "## Else\n\n" + "word " * 120),
    "states a figure: '3.4x faster": add_prose(" It is 3.4x faster now."),
    "states a figure: '12 times as fast'": add_prose(" C is 12 times as fast."),
    "'simply'": add_prose(" You simply call it."),
    "'Just'": add_prose(" Just call it."),
    "'thread-safe'": add_prose(" Lists are thread-safe."),
    "links to gone.ipynb": add_prose(" [gone](gone.ipynb)"),
    "links to #nowhere": add_prose(" [here](#nowhere)"),
    "of one machine": lambda nb: setattr(code(nb, 5), "source", f"open('{HOME}x')"),
    "exercise-2 has no stub": add_prose("\n\n### Exercise 2: more"),
    "exercise-1 has no checker": lambda nb: setattr(code(nb, 1), "source", "print()"),
    "exercise-1 has no hint": set_source(5, "### Exercise 1: add"),
    "exercise-1 has no task": set_source(5, "### Task"),
    "exercise-3 has no solution": lambda nb: code(nb, 5).metadata.update(tags=["exercise-3"]),
}


@pytest.mark.parametrize("expected", BREAKS)
def test_a_broken_rule_is_seen(findings, expected):
    notebook = good()
    BREAKS[expected](notebook)
    found = findings(notebook)
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    "text", ["`just` is code", "adjust and justify", "3.4 times", "list.append is thread-safe for one object"]
)
def test_words_that_only_look_wrong_pass(findings, text):
    notebook = good()
    add_prose(" " + text)(notebook)
    assert findings(notebook) == []


@pytest.mark.parametrize(
    ("expected", "edit"),
    {
        "not in canonical form": lambda text: json.dumps(json.loads(text)),
        "kernelspec is not python3": lambda text: text.replace('"name": "python3"', '"name": "python3.13t"'),
        "missing or taken": lambda text: text.replace('"cell-4"', '"cell-3"'),
        "more than 400": lambda text: text + " " * 400_000,
        "not a notebook": lambda text: text[: len(text) // 2],
    }.items(),
)
def test_a_broken_file_is_seen(findings, expected, edit):
    found = findings(good(), edit)
    assert any(expected in line for line in found), found


def test_fix_repairs_the_form_and_leaves_content(findings, tmp_path, capsys):
    notebook = good()
    notebook.cells[3].id = notebook.cells[4].id
    path = tmp_path / "99_test.ipynb"
    broken = json.loads(notebook_files.canonical(notebook))
    broken["cells"][4]["id"], broken["metadata"]["widgets"] = "cell-3", {}
    path.write_text(json.dumps(broken), encoding="utf-8")
    assert policy.main(["--fix", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == notebook_files.canonical(notebook_files.read(path))
    fixed = json.loads(path.read_text(encoding="utf-8"))
    assert [cell["source"] for cell in fixed["cells"]] == [cell["source"] for cell in broken["cells"]]
    assert fixed["metadata"] == notebook_files.METADATA


def test_canonical_form_is_stable_and_keeps_pictures(tmp_path):
    notebook = good()
    data = "abcd+/ef+/gh" * 100 + "\n"
    code(notebook, 3).outputs.append(new_output("display_data", data={"image/png": data}))
    (path := tmp_path / "x.ipynb").write_text(notebook_files.canonical(notebook), encoding="utf-8")
    again = notebook_files.read(path)
    assert code(again, 3).outputs[-1].data["image/png"] == data
    assert notebook_files.canonical(again) == path.read_text(encoding="utf-8")
    assert "+/" not in path.read_text(encoding="utf-8")


def test_repository_rules(tmp_path, monkeypatch):
    monkeypatch.setattr(policy, "ROOT", tmp_path)
    files = {
        "a.so": "",
        "b.c": "/* Generated by Cython 3 */",
        "c.py": f"open('{HOME}')",
        "d.csv": "x" * 1_000_001,
        "e.py": "1",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    seen = {name: what for name, (_, what, _) in policy.repository([*files, "deleted.py"])}
    assert seen.keys() == {"a.so", "b.c", "c.py", "d.csv"}


def test_links_of_a_page(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# One Two\n[a](#one-two) [b](#three) [c](gone.md) [d](README.md)\n", encoding="utf-8")
    assert [what for _, what, _ in policy.page(page)] == [
        "links to #three, a heading that does not exist",
        "links to gone.md, which does not exist",
    ]


def test_the_course_keeps_its_rules(capsys):
    assert policy.main([]) == 0, capsys.readouterr().out
