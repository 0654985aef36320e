"""No two files of the workbench or the tools import each other, and a name is imported from where it is defined."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import notebook_files

ROOT = Path(__file__).parents[2]
WORKBENCH = ROOT / "notebooks" / "workbench"
FOLDERS = {"workbench.": WORKBENCH, "race.": ROOT / "notebooks" / "race", "": ROOT / "tools"}
FILES = {
    prefix + file.stem: file
    for prefix, folder in FOLDERS.items()
    for file in folder.glob("*.py")
    if file.stem != "__init__"
}


def imports(tree):
    """(module, name) of every import, those inside functions too; the name is None for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner, None) if inner in FILES else (node.module, alias.name)


def circle(graph):
    """The names on a way from a file back to itself; [] where there is none."""

    def walk(at, way):
        if at in way:
            return [*way[way.index(at) :], at]
        return next((found for to in sorted(graph[at]) if (found := walk(to, [*way, at]))), [])

    return next((found for start in graph if (found := walk(start, []))), [])


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_files_import_each_other():
    graph = {
        name: {
            module for module, _ in imports(ast.parse(file.read_text(encoding="utf-8"))) if module in FILES
        }
        for name, file in FILES.items()
    }
    assert len(graph) > 20
    assert circle(graph) == []


def defined(file):
    """The names that a module makes itself, at its top."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


@pytest.mark.parametrize("path", notebook_files.course(), ids=lambda path: path.stem)
def test_notebooks_import_a_name_from_the_module_that_defines_it(path):
    lines = [
        line.strip()
        for cell in notebook_files.read(path).cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if line.strip().startswith("from workbench.")
    ]
    strange = [
        f"{module}.{name}"
        for module, name in imports(ast.parse("\n".join(lines)))
        if name not in defined(FILES[module])
    ]
    assert lines
    assert strange == []


def test_the_package_names_all_its_modules():
    text = (WORKBENCH / "__init__.py").read_text(encoding="utf-8")
    modules = {file.stem for file in WORKBENCH.glob("*.py")} - {"__init__"}
    assert {name for name in modules if f"| `{name}` " not in text} == set()
