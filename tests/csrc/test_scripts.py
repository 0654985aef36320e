"""The scripts of the children. A child that does nothing ends well, and so its test would pass."""

import ast
import sys
from pathlib import Path

import children
import pytest

SCRIPTS = sorted(children.SCRIPTS.glob("[!_]*.py"))


def ids(path: Path) -> str:
    return path.name


def test_a_name_that_a_script_has_not_is_an_error():
    with pytest.raises(AssertionError, match="KeyError: 'nothing'"):
        children.run("fork.py", "nothing")


@pytest.mark.parametrize("path", SCRIPTS, ids=ids)
def test_a_script_calls_what_is_named(path):
    """Read, not run: some of them start only on Linux."""
    last = ast.parse(path.read_text(encoding="utf-8")).body[-1]
    assert ast.unparse(last) == "if __name__ == '__main__':\n    call_named(globals())"


def test_no_helper_has_the_name_of_a_module_of_python():
    """They come first on the path, there and in every process and interpreter that they start."""
    names = {path.stem for path in children.SCRIPTS.glob("*.py")}
    assert not names & {*sys.stdlib_module_names, *sys.builtin_module_names}
