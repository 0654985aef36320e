"""build.sh on machines that are not as one would wish.

Each test works on a copy of the repository, in a path with a space and a letter outside ASCII. Environments are made from the
package cache, a few seconds each; tests that would have to download are skipped where the package index is out of reach.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import environment

ROOT = Path(__file__).resolve().parents[2]
# The interpreter under the environment that runs the tests: tests must not depend on what python3 is here.
PYTHON = str(getattr(sys, "_base_executable", sys.executable))
UV = environment.find_uv(Path(sys.prefix))
# What build.sh may rely on from the system, besides Python.
UTILITIES = ("sh", "env", "dirname", "readlink", "id", "uname")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="build.sh is for Linux and macOS"),
]


def copy_of_the_repository(folder: Path) -> Path:
    """Copy what is committed or would be: no environments, nothing generated."""
    ignored = shutil.ignore_patterns(
        ".git", ".venv*", "build", "__pycache__", ".*_cache", ".hypothesis", "*.ipynb", "tests"
    )
    shutil.copytree(ROOT, folder, ignore=ignored, symlinks=True)
    return folder


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment variables of a user who has activated nothing."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "VIRTUAL_ENV", "CC", "PYTHONPATH")}
    kept["PATH"] = os.pathsep.join(
        p for p in kept["PATH"].split(os.pathsep) if not p.startswith(sys.prefix + os.sep)
    )
    return {**kept, **changes}


def build(copy: Path, *arguments: str, timeout: float = 240, **options) -> subprocess.CompletedProcess[str]:
    """Run ./build.sh there."""
    options = {"env": clean_environment(), "cwd": copy, **options}
    command = [str(copy / "build.sh"), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )


def machine_with(folder: Path, **programs: str | None) -> dict[str, str]:
    """Make a folder of programs that is the whole PATH, and return the environment variables."""
    folder.mkdir()
    for name, target in {**{name: shutil.which(name) for name in UTILITIES}, **programs}.items():
        if target:
            (folder / name).symlink_to(target)
    return clean_environment(PATH=str(folder))


def script(path: Path, text: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def offline(cache: Path) -> dict[str, str]:
    """The environment variables of a machine without network, and with nothing in its package caches."""
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), nowhere
    )
    empty = {
        "UV_HTTP_RETRIES": "0",
        "UV_CACHE_DIR": str(cache),
        "PIP_CACHE_DIR": str(cache),
        "PIP_RETRIES": "0",
    }
    nothing_else = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "UV_FIND_LINKS": "",
        "NO_PROXY": "",
        "no_proxy": "",
    }
    return clean_environment(**proxies, **empty, **nothing_else)


def assert_refused_in_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The command failed, its last line says why, and there is no traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("build.sh: "), done.stderr
    assert done.stderr.count("build.sh:") == 1
    for word in words:
        assert word in line, done.stderr


@pytest.fixture(scope="module")
def parent(tmp_path_factory) -> Path:
    """A folder whose path has a space and a letter outside ASCII."""
    return tmp_path_factory.mktemp("bäu me")


@pytest.fixture(scope="module")
def ready(parent) -> Path:
    """A copy with a complete environment, made by `PYTHON=... ./build.sh setup`. Tests leave it complete."""
    copy = copy_of_the_repository(parent / "ready copy")
    done = build(copy, "setup", env=clean_environment(PYTHON=PYTHON))
    if "cannot be reached" in done.stderr:
        pytest.skip("the package index cannot be reached, and the cache has not all packages")
    assert done.returncode == 0, done.stderr
    assert [folder.name for folder in copy.glob(".venv*")] == [environment_name()]
    return copy


def environment_name() -> str:
    """What build.sh calls the environment of the interpreter under this one."""
    threads = "t" if "t" in getattr(sys, "abiflags", "") else ""
    return f".venv-{sys.version_info.major}.{sys.version_info.minor}{threads}"


@pytest.fixture
def bare(tmp_path) -> Path:
    """A copy without an environment."""
    return copy_of_the_repository(tmp_path / "bäre copy")


# --- the shell part: help, arguments, where it is called from --------------------------------------------------------------


def test_help_names_every_command(bare):
    done = build(bare, "--help")
    assert done.returncode == 0
    for command in ("lab", "run", "test", "bench", "setup", "doctor", "clean"):
        assert f"\n  {command} " in done.stdout


def test_an_unknown_command_is_refused(bare):
    assert_refused_in_one_line(build(bare, "lap"), "lap", "--help")


def test_shellcheck_finds_nothing():
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run([shellcheck, ROOT / "build.sh", ROOT / ".ci/run"], check=True)


@pytest.mark.parametrize("how", ["elsewhere", "link", "CDPATH", "relative"])
def test_called_from_anywhere(ready, tmp_path, how):
    variables = clean_environment(PYTHON=PYTHON)
    program = ready / "build.sh"
    if how == "link":
        (tmp_path / "one").symlink_to(program)
        program = tmp_path / "two"
        program.symlink_to("one")
    elif how == "CDPATH":
        (tmp_path / ready.name).mkdir()
        variables |= {"CDPATH": f"{tmp_path}:{ready.parent}", "IFS": "/e", "PYTHONHOME": "/nowhere"}
        program = Path(ready.name, "build.sh")
    elif how == "relative":
        (ready.parent / "here").symlink_to(PYTHON)
        variables["PYTHON"] = "./here"
        program = Path(ready.name, "build.sh")
    cwd = ready.parent if not program.is_absolute() else tmp_path
    done = subprocess.run(
        [program, "setup"], cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == (f"Ready: {ready / environment_name()}\n", 0), done.stderr


# --- the interpreter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", ["python3", "PYTHON"])
def test_python_3_10_is_refused(bare, tmp_path, chosen):
    # An interpreter that would run everything, and says that it is 3.10.
    old = script(
        tmp_path / "old",
        'case "$*" in *"(3, 11)"*) exit 1 ;; *version_info*) echo 3.10 ;; *) exit 1 ;; esac',
    )
    variables = machine_with(tmp_path / "bin", python3=str(old))
    variables |= {"PYTHON": str(old)} if chosen == "PYTHON" else {}
    done = build(bare, "run", env=variables)
    assert_refused_in_one_line(done, "3.10", "3.11 or newer")
    assert len(done.stderr.splitlines()) == 1
    assert not list(bare.glob(".venv*"))


def test_a_newer_python_beside_an_old_one_is_named(bare, tmp_path):
    old = script(tmp_path / "old", 'case "$*" in *"(3, 11)"*) exit 1 ;; *) echo 3.9 ;; esac')
    done = build(bare, env=machine_with(tmp_path / "bin", python3=str(old), **{"python3.13": PYTHON}))
    assert_refused_in_one_line(done, "3.9", "PYTHON=python3.13 ./build.sh")


def test_no_python_at_all(bare, tmp_path):
    done = build(bare, env=machine_with(tmp_path / "bin"))
    assert_refused_in_one_line(done, "no python3", "3.11 or newer")


def test_missing_headers_are_named(bare, tmp_path):
    variables = clean_environment(PYTHON=PYTHON)
    code = f"""
import sys, sysconfig; sys.path.insert(0, {str(bare / "tools")!r})
import environment, setup
from pathlib import Path
target = environment.Environment(Path(sys.argv[1]))
target.folder.mkdir(); (target.folder / "bin").mkdir()
Path(target.python).write_text("#!/bin/sh\\nprintf '/no/include\\\\n/no/site\\\\n3.14\\\\n'\\n"); target.python.chmod(0o755)
try:
    setup.install_csrc(target, 0)
except environment.Problem as problem:
    print(problem)
"""
    done = subprocess.run(
        [PYTHON, "-I", "-c", code, tmp_path / "fake"],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "headers of Python 3.14 are missing" in done.stdout
    assert "python3.14-dev" in done.stdout


# --- an environment that is complete -----------------------------------------------------------------------------------------


def test_the_second_run_is_quick(ready):
    variables = clean_environment(PYTHON=PYTHON)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = build(ready, "setup", env=variables)
        seconds.append(time.perf_counter() - started)
        assert (done.returncode, done.stderr) == (0, "")
    assert min(seconds) < 2


def test_the_compiled_package_is_in_the_environment(ready):
    python = ready / environment_name() / "bin" / "python"
    code = "import snek, sys; assert snek.__file__.startswith(sys.prefix), snek.__file__; print(snek.fib(20))"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "6765\n"
    assert not (ready / "csrc" / "build").exists()
    assert not list((ready / "csrc").glob("*.egg-info"))


def test_no_network_is_needed_once_it_is_complete(ready, tmp_path):
    done = build(ready, "setup", env={**offline(tmp_path / "cache"), "PYTHON": PYTHON})
    assert (done.returncode, done.stderr) == (0, "")


def test_changed_c_is_compiled_again_and_a_broken_one_named(ready, tmp_path):
    source = ready / "csrc" / "kernels" / "fib.c"
    before = source.read_text(encoding="utf-8")
    variables = {**offline(tmp_path / "cache"), "PYTHON": PYTHON}
    source.write_text(before + "\n#error broken on purpose\n", encoding="utf-8")
    done = build(ready, "setup", env=variables)
    source.write_text(before, encoding="utf-8")
    assert_refused_in_one_line(done, "csrc does not compile", "broken on purpose", "build/setup.log")
    # And the package as an interruption would leave it: half there, without the list of its files.
    site = next((ready / environment_name()).glob("lib/*/site-packages"))
    (site / "snek-0.0.dist-info").mkdir()
    (site / "snek-0.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: snek\nVersion: 0.0\n", encoding="utf-8"
    )
    done = build(ready, "setup", env=variables)
    assert done.returncode == 0, done.stderr
    assert "Compiling csrc" in done.stderr
    assert len(list(site.glob("snek-*.dist-info"))) == 1


def test_a_newer_lock_without_network_leaves_the_environment_as_it_was(ready, tmp_path):
    lock = ready / "requirements.txt"
    before = lock.read_text(encoding="utf-8")
    lock.write_text(before + "a-package-that-nobody-has==1.0\n", encoding="utf-8")
    variables = {**offline(tmp_path / "cache"), "PYTHON": PYTHON}
    done = build(ready, "setup", env=variables)
    lock.write_text(before, encoding="utf-8")
    assert_refused_in_one_line(done, "cannot be reached")
    done = build(ready, "setup", env=variables)
    assert (done.returncode, done.stderr) == (0, "")


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[list[str]]:
    """Make a folder read-only; give the words to put before a command, for root is stopped by a mount only."""
    if os.getuid() != 0:
        folder.chmod(0o555)
        try:
            yield []
        finally:
            folder.chmod(0o755)
        return
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    prefix = ["unshare", "--mount", "sh", "-c", mount, str(folder)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("root, and mounts are not permitted: nothing can be made read-only")
    yield prefix


@pytest.mark.parametrize("what", ["notebooks", "."])
def test_a_read_only_folder_does_not_matter_once_it_is_complete(ready, what):
    with read_only(ready / what) as prefix:
        command = [*prefix, str(ready / "build.sh"), "setup"]
        variables = clean_environment(PYTHON=PYTHON)
        done = subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_read_only_checkout_without_environment_is_one_line(bare):
    with read_only(bare) as prefix:
        command = [*prefix, str(bare / "build.sh"), "setup"]
        done = subprocess.run(
            command, env=clean_environment(), cwd="/", capture_output=True, text=True, check=False
        )
    assert_refused_in_one_line(done, str(bare), "Make it writable")
    assert len(done.stderr.splitlines()) == 1


def test_two_at_once_wait_for_each_other(ready):
    with (ready / "build" / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = ready / environment_name() / "fast-snek.json"
        before = state.read_text(encoding="utf-8")
        state.write_text(json.dumps({**json.loads(before), "csrc": "older"}), encoding="utf-8")
        second = subprocess.Popen(
            [ready / "build.sh", "setup"],
            env=clean_environment(PYTHON=PYTHON),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        impatience = threading.Timer(30, os.killpg, (second.pid, signal.SIGKILL))
        impatience.start()
        assert "waiting" in second.stderr.readline()
        impatience.cancel()
        assert second.poll() is None
        state.write_text(before, encoding="utf-8")  # what the first one would have done
    assert second.communicate(timeout=60)[1] == ""
    assert second.returncode == 0


def test_doctor_needs_no_environment(bare):
    done = build(bare, "doctor", env=clean_environment(PYTHON=PYTHON))
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    for words in ("C compiler", "headers of Python", "not made yet", "./build.sh setup"):
        assert words in done.stdout
    assert not list(bare.glob(".venv*"))


# --- an environment that is not ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_no_network_and_no_environment_is_one_line(bare, tmp_path, installer):
    if installer == "uv" and UV is None:
        pytest.skip("uv is not installed")
    programs = {"uv": UV, "cc": shutil.which("cc")} if installer == "uv" else {"cc": shutil.which("cc")}
    variables = machine_with(tmp_path / "bin", python3=PYTHON, **programs)
    done = build(bare, "run", env={**offline(tmp_path / "cache"), "PATH": variables["PATH"]})
    assert_refused_in_one_line(done, "cannot be reached", "run again")


def test_an_interpreter_that_is_gone(ready):
    python = ready / environment_name() / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    done = build(ready, "setup", env=clean_environment(PYTHON=PYTHON))
    assert done.returncode == 0, done.stderr
    assert "gone or has changed" in done.stderr
    assert subprocess.run([python, "-c", "import snek, jupyterlab"], check=False).returncode == 0


def test_ctrl_c_is_one_line_at_any_moment(ready):
    results = set()
    for moment in range(
        20
    ):  # 20 to 210 ms: from the shell over the start of Python and its imports to the end
        process = subprocess.Popen(
            [ready / "build.sh", "setup"], env=clean_environment(PYTHON=PYTHON), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02 + moment / 100)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        results.add((process.communicate(timeout=60)[1], process.returncode))
    assert results <= {("Interrupted. Run it again to go on.\n", 130), ("", 0)}
    assert ("Interrupted. Run it again to go on.\n", 130) in results


def test_interrupted_at_any_moment_and_run_again(parent):
    copy = copy_of_the_repository(parent / "interrupted")
    variables = clean_environment(PYTHON=PYTHON)
    venv = copy / environment_name()
    moments = [
        (0.15, signal.SIGINT),
        (0.5, signal.SIGKILL),
        (0.9, signal.SIGINT),
        (1.5, signal.SIGKILL),
        (2.5, signal.SIGTERM),
    ]
    for seconds, how in moments:
        process = subprocess.Popen(
            [copy / "build.sh", "setup"], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors, (seconds, how)
        if how is signal.SIGINT and process.returncode != 0:
            assert (process.returncode, errors.splitlines()[-1]) == (
                130,
                "Interrupted. Run it again to go on.",
            )
    # And in the middle of an installation: a package of which half has arrived.
    site = next(venv.glob("lib/*/site-packages"), None)
    if site is not None:
        shutil.rmtree(site / "numpy", ignore_errors=True)
        state = json.loads((venv / "fast-snek.json").read_text(encoding="utf-8"))
        state.pop("packages", None)
        (venv / "fast-snek.json").write_text(json.dumps(state), encoding="utf-8")
    done = build(copy, "setup", env=variables)
    if "cannot be reached" in done.stderr:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    python = venv / "bin" / "python"
    subprocess.run([python, "-c", "import numpy, snek, jupyterlab, matplotlib"], check=True)
    assert build(copy, "setup", env=variables).stderr == ""
    assert not list(copy.glob(".venv*.removed-*"))


@pytest.mark.network
def test_without_a_compiler_ziglang_steps_in(parent, tmp_path):
    if UV is None:
        pytest.skip("uv is not installed: the wheel would be downloaded each time")
    copy = copy_of_the_repository(parent / "no compiler")
    variables = machine_with(tmp_path / "bin", python3=PYTHON, uv=UV)
    done = build(copy, "setup", env=variables)
    assert done.returncode == 0, done.stderr
    assert "No C compiler here: installing the ziglang wheel" in done.stderr
    python = copy / ".venv" / "bin" / "python"
    code = (
        "import snek; print(snek.fib(20), snek.mandelbrot(memoryview(bytearray(4)).cast('i', (1, 1)))[0, 0])"
    )
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.startswith(
        "6765 "
    )
    assert build(copy, "setup", env=variables).stderr == ""


# --- leaving ---------------------------------------------------------------------------------------------------------------


def test_clean_removes_what_build_made_and_nothing_else(bare):
    before = {str(path.relative_to(bare)) for path in bare.rglob("*")}
    for name, state in ((".venv", {"made": True}), (".venv-3.11", {"made": True}), (".venv-mine", None)):
        (bare / name / "bin").mkdir(parents=True)
        if state:
            (bare / name / "fast-snek.json").write_text(json.dumps(state), encoding="utf-8")
    for generated in ("build/cc", ".pytest_cache/v", "notebooks/workbench/__pycache__"):
        (bare / generated).mkdir(parents=True, exist_ok=True)
    (bare / "notebooks" / "mine.txt").write_text("mine", encoding="utf-8")
    done = build(bare, "clean", env=clean_environment(PYTHON=PYTHON))
    assert done.returncode == 0, done.stderr
    after = {str(path.relative_to(bare)) for path in bare.rglob("*")}
    assert after == before | {"notebooks/mine.txt", ".venv-mine", ".venv-mine/bin"}
    assert ".venv-mine" in done.stderr
