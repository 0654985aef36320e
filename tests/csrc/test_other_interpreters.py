"""`snek` on the other Pythons of this machine: built there, and put through the same tests.

Those on PATH are tried: a free-threaded one, where the GIL must stay off, and the newest and the oldest that the course
supports. A small environment for each is kept under build/.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import ahead
import builds
import pytest

TESTS = Path(__file__).parent
FILES = [
    *("test_snek.py", "test_snek_threads.py", "test_snek_processes.py"),
    *("test_stations.py", "test_stations_parts.py", "test_stations_processes.py"),
]
NEEDED = ["setuptools>=77", "pytest", "hypothesis", "cython>=3.1"]  # Cython is for the doors
ABOUT = """
import json, sys, sysconfig
print(json.dumps([
    sys.version_info[:2], bool(sysconfig.get_config_var("Py_GIL_DISABLED")), sys.implementation.name,
    sysconfig.get_path("include"),
]))
"""


def about(python: str) -> tuple[tuple[int, int], bool, str, str] | None:
    """Return version, free-threaded or not, implementation and include folder; None if it does not start."""
    try:
        done = subprocess.run([python, "-I", "-c", ABOUT], capture_output=True, text=True, timeout=60)
        version, free_threaded, implementation, include = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return tuple(version), free_threaded, implementation, include


def on_path(name: str) -> str:
    """Return the path of an interpreter that can compile an extension, or skip: it isn't there, or has no headers."""
    builds.compiler()
    base = shutil.which(name)
    found = about(base) if base else None
    if found is None:
        pytest.skip(f"no {name} on PATH")
    version, free_threaded, implementation, include = found
    if implementation != "cpython":
        pytest.skip(f"{name} is {implementation}")
    if (version, free_threaded) == (sys.version_info[:2], "t" in sys.abiflags):
        pytest.skip(f"{name} is what runs these tests")
    if not Path(include, "Python.h").exists():
        pytest.skip(f"{name} has no headers in {include}")
    return base


def environment(name: str) -> Path:
    """Return the Python of an environment with snek, or skip: no such interpreter, no headers, no packages."""
    base = on_path(name)
    with builds.made_once(f"env-{name}", os.path.realpath(base), NEEDED) as (folder, make):
        python = folder / "venv" / "bin" / "python"
        if make:
            try:
                prepare(base, folder, python)
            except AssertionError as error:
                shutil.rmtree(folder)
                pytest.skip(f"no environment for {name}: {str(error).splitlines()[-1]}")
    return python


def prepare(base: str, folder: Path, python: Path) -> None:
    """Create the environment: with uv, or with the standard library where that is missing."""
    # no wheel, no package: a sdist of hypothesis would want a Rust compiler
    if uv := shutil.which("uv"):
        builds.command(uv, "venv", "-q", "--no-project", "-p", base, folder / "venv")
        install = [uv, "pip", "install", "-q", "--python", python]
    else:
        builds.command(base, "-m", "venv", folder / "venv")
        install = [python, "-m", "pip", "install", "-q"]
    builds.command(*install, "--only-binary", ":all:", *NEEDED)
    try:
        builds.command(*install, "--only-binary", ":all:", "numpy")
    except AssertionError:
        pass  # the tests do without
    copy = folder / "csrc"
    shutil.copytree(builds.CSRC, copy, ignore=shutil.ignore_patterns("build", "*.so", "*.egg-info"))
    build = ["--no-build-isolation", "--no-deps", copy]
    builds.command(*install, *build, env={"SNEK_CFLAGS": "-Werror"})


def run_tests(python: Path, *files: str) -> str:
    return builds.command(
        *(python, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider"),
        *(TESTS / file for file in files),
        cwd=builds.ROOT,
        env={"SNEK_TESTS_QUICK": "1", "PYTHONPATH": ""},
    )


@pytest.fixture(scope="module")
def outputs(request):
    """Give the Python of an environment, and what its tests print; as many run at a time as there are CPUs."""

    def tested(name):
        python = environment(name)
        return python, run_tests(python, *FILES)

    return ahead.outcomes(request, ["test_snek_on", "test_snek_without_the_gil"], "name", tested)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python3.11", "python3.14", "python3.15"])
def test_snek_on(name, outputs):
    _, output = outputs(name)
    assert " passed" in output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python3.13t", "python3.14t", "python3.15t"])
def test_snek_without_the_gil(name, outputs):
    """The GIL stays off, and eight threads that really run at the same time compute right answers."""
    python, output = outputs(name)
    assert (
        builds.command(python, "-c", "import sys, snek; print(sys._is_gil_enabled())", env={"PYTHONPATH": ""})
        == "False\n"
    )
    assert " passed" in output
