"""How csrc compiles, what the compiled module contains, and the tests again under sanitizers."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import ahead
import builds
import pytest

import snek

TESTS = Path(__file__).parent
STRICT = [
    "-Werror",
    "-pedantic",
    "-Wcast-qual",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wundef",
    "-Wvla",
]
INCLUDE = sysconfig.get_path("include")


# ---- compiling ----


def without_warnings(cc: list[str], files: list[Path], folder: Path, *flags: str) -> None:
    assert files
    objects = [folder / f"{path.stem}.o" for path in files]
    for source, target in zip(files, objects, strict=True):
        builds.command(
            *cc, *builds.WARNINGS, *STRICT, *flags, "-fPIC", "-isystem", INCLUDE, "-c", source, "-o", target
        )


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_no_warnings(cc, tmp_path):
    without_warnings(
        [builds.compiler(cc)], builds.sources("kernels/*.c", "extensions/*.c", "doors/*.c"), tmp_path
    )


def test_the_warnings_gate_is_shut(tmp_path):
    path = tmp_path / "sloppy.c"
    path.write_text("int f(long x);\nint\nf(long x)\n{\n    return x;\n}\n")
    with pytest.raises(AssertionError, match="Wconversion"):
        without_warnings([builds.compiler()], [path], tmp_path)


@pytest.mark.parametrize(
    "target", ["aarch64-macos", "x86_64-macos", "aarch64-linux-gnu", "x86_64-linux-musl", "s390x-linux-gnu"]
)
def test_kernels_compile_for_other_machines(target, tmp_path):
    """The kernels need no header but C's and POSIX's, so a cross compiler is enough."""
    zig = [sys.executable, "-m", "ziglang", "cc"]
    if subprocess.run([*zig, "--version"], capture_output=True).returncode != 0:
        pytest.skip("needs the ziglang wheel")
    without_warnings([*zig, "-target", target], builds.sources("kernels/*.c"), tmp_path)


@pytest.mark.parametrize("cc", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O2", "-O3", "-O3 -march=native"])
def test_the_reference_is_scalar_and_rounds_each_operation(cc, level, tmp_path):
    """Whatever flags a notebook compiles it with: no fused multiply-add, no packed arithmetic."""
    if os.uname().machine not in ("x86_64", "AMD64"):
        pytest.skip("reads x86-64 assembly")
    target = tmp_path / "mandelbrot_scalar.s"
    source = builds.CSRC / "kernels" / "mandelbrot_scalar.c"
    builds.command(builds.compiler(cc), "-std=gnu11", *level.split(), "-S", source, "-o", target)
    arithmetic = set(
        re.findall(r"^\s+(v?(?:mul|add|sub|div|fn?m)\w*[ps]d)\b", target.read_text(), re.MULTILINE)
    )
    assert {name.removeprefix("v") for name in arithmetic} == {"mulsd", "addsd", "subsd", "divsd"}


# ---- what is in it ----

# All that may change while the program runs: the pool, and the tables that CPython's interface wants mutable.
MUTABLE = {"the_pool", "the_quota", "once", "snek_methods", "snek_module", "snek_slots", "snek_abi"}
COMPILERS_OWN = {
    "__dso_handle",
    "completed",
    "__TMC_END__",
    "_edata",
    "_end",
    "__bss_start",
    "__data_start",
    "data_start",
}


def mutable_globals(library: Path) -> set[str]:
    """Return the names in .data and .bss; a static variable of a function has a number after its name."""
    table = builds.command("objdump", "-t", library)
    rows = re.findall(
        r"^[0-9a-f]+ .{7} (\.t?(?:data|bss)\S*)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$", table, re.MULTILINE
    )
    return {
        name.partition(".")[0]
        for section, name in rows
        if not section.startswith(".data.rel.ro") and not name.startswith(".")
    }


@pytest.fixture
def needs_objdump():
    if shutil.which("objdump") is None or not sys.platform.startswith("linux"):
        pytest.skip("needs objdump, on ELF")


@pytest.mark.usefixtures("needs_objdump")
def test_no_unexpected_mutable_globals():
    found = mutable_globals(Path(snek._snek.__file__)) - COMPILERS_OWN
    assert {"the_pool", "snek_methods"} <= found, "the symbols are not there to be read"
    assert found <= MUTABLE


@pytest.mark.mutant
@pytest.mark.usefixtures("needs_objdump")
def test_a_mutable_global_is_found():
    plant = {
        "extensions/fib.c": {
            "/* ---- nop ---- */": "static int calls;\nint snek_calls(void) { return ++calls; }"
        }
    }
    folder = builds.snek(
        "global", "-O1", "-fvisibility=default", cc=builds.compiler(), plant={**builds.PORTABLE_ONLY, **plant}
    )
    assert "calls" in mutable_globals(next(folder.glob("snek/_snek.*.so")))


@pytest.mark.usefixtures("needs_objdump")
def test_only_the_entry_point_is_exported():
    table = builds.command("objdump", "-T", snek._snek.__file__)
    exported = set(re.findall(r"^[0-9a-f]+ g\s.*\s(\S+)$", table, re.MULTILINE)) - {"_init", "_fini"}
    assert exported <= {"PyInit__snek", "PyModExport__snek"}
    assert len(exported) == 1


def test_tables_of_slots():
    """The declarations are there for both entry points; a test for the one that this Python does not use."""
    source = (builds.CSRC / "extensions" / "snekmodule.c").read_text(encoding="utf-8")
    assert source.count("Py_MOD_PER_INTERPRETER_GIL_SUPPORTED") == 2
    assert source.count("Py_MOD_GIL_NOT_USED") == 2


# ---- sanitizers ----


def sanitized(name: str, plant=None) -> dict[str, str]:
    """Build snek with AddressSanitizer and UndefinedBehaviorSanitizer; return what a Python needs to run it."""
    env = builds.preloading()
    folder = str(builds.snek(name, *builds.SANITIZERS, plant=plant))
    return {**env, "PYTHONPATH": folder, "SNEK_EXPECT_FOLDER": folder, "SNEK_TESTS_QUICK": "1"}


FILES = {
    "snek": ["test_snek.py", "test_snek_threads.py", "test_snek_processes.py"],
    "stations": ["test_stations.py", "test_stations_parts.py", "test_stations_processes.py"],
}


def run_sanitized(env: dict[str, str], *tests: str) -> str:
    """Run tests of this folder in a Python with that environment and return what pytest prints."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider"]
    return builds.command(*command, *(TESTS / test for test in tests), cwd=builds.ROOT, env=env)


@pytest.fixture(scope="module")
def under_sanitizers(request):
    """Give the output of the tests of one of the groups of files; both groups run at the same time."""
    env = sanitized("asan")
    tests = ["test_under_address_and_undefined_behaviour_sanitizers"]
    return ahead.outcomes(request, tests, "group", lambda group: run_sanitized(env, *FILES[group]))


@pytest.mark.slow
@pytest.mark.parametrize("group", FILES)
def test_under_address_and_undefined_behaviour_sanitizers(group, under_sanitizers):
    output = under_sanitizers(group)
    assert re.search(r"^\d+ passed", output, re.MULTILINE), output


@pytest.mark.mutant
@pytest.mark.parametrize(
    ("file", "good", "bad", "message"),
    [
        (
            "kernels/mandelbrot_scalar.c",
            "            counts[i] = n;",
            "            counts[i + 1] = n;",
            "AddressSanitizer",
        ),
        (
            "extensions/buffers.h",
            "(uintptr_t)view->buf % _Alignof(int32_t) != 0",
            "view->ndim == 9",
            "misaligned",
        ),
    ],
    ids=["out of bounds", "misaligned"],
)
def test_the_sanitizers_find_a_defect(file, good, bad, message):
    """One pixel past the end; a picture that starts at an odd address."""
    if message == "AddressSanitizer" and sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("AddressSanitizer does not see the blocks of a Python without a GIL")
    env = sanitized(f"asan-defect-{Path(file).stem}", {**builds.PORTABLE_ONLY, file: {good: bad}})
    tests = ["test_mandelbrot_is_its_twin", "test_buffers_that_will_not_do"]
    with pytest.raises(AssertionError, match=message):
        run_sanitized(env, *(f"test_snek.py::{test}" for test in tests))
