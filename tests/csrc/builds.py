"""Builds of csrc for the tests: with sanitizers, with a defect planted, the kernels alone. Each is made once, under build/."""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
CACHE = ROOT / "build" / "tests"
DRIVERS = Path(__file__).parent / "c"
# To `plant` where a defect is not in the vector kernels of one CPU: without these it compiles in a fraction of the time.
PORTABLE_ONLY = {
    "kernels/mandelbrot.c": {
        '#if defined(__x86_64__)\n    {"avx2"': '#if 0\n    {"avx2"',
    },
    **{
        f"kernels/mandelbrot_{name}.c": {"#if defined(__x86_64__)": "#if 0"}
        for name in ("avx2", "avx512", "zen4")
    },
}
Plant = Mapping[str, Mapping[str, str]]
# For an extension that a Python without sanitizers loads: see `preloading`.
SANITIZERS = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-O1",
]
WARNINGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-Wshadow", "-Wconversion"]


def compiler(name: str = "") -> str:
    """Return a C compiler (cc, gcc or clang), or skip the test."""
    for candidate in [name] if name else ["gcc", "clang", "cc"]:
        if shutil.which(candidate):
            return candidate
    pytest.skip(f"needs {name or 'a C compiler'}")


def cached(cc: str) -> list[str]:
    """Return the command of a compiler that compiles no file twice."""
    return [sys.executable, str(Path(__file__).parent / "cached_cc.py"), cc]


def sources(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in CSRC.glob(pattern))


def digest(*parts: object) -> str:
    """Return a name for what is made of these parts and of all of csrc."""
    sha = hashlib.sha256(repr(parts).encode())
    for path in sources("*/*.[ch]", "*/*.py*", "*.py", "*.toml"):
        sha.update(path.name.encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()[:12]


@contextmanager
def made_once(name: str, *parts: object) -> Iterator[tuple[Path, bool]]:
    """Give a folder, and whether what belongs there has to be made; two who want it at a time don't make it twice."""
    locks = CACHE / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f"{name}-{digest(*parts)}"
    with open(locks / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / "ready"
        if not ready.exists():
            for old in [*CACHE.glob(f"{name}-{12 * '?'}")]:
                shutil.rmtree(old)
            folder.mkdir()
            yield folder, True
            ready.touch()
        else:
            yield folder, False


def command(
    *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 300
) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        timeout=timeout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, f"{' '.join(map(str, words))}\nended with {done.returncode}\n{done.stdout}"
    return done.stdout


def plant_defects(folder: Path, plant: Plant) -> None:
    """Make the replacements in a copy of csrc. Each has to find its place exactly once in the files that its glob names."""
    for pattern, replacements in plant.items():
        texts = {path: path.read_text(encoding="utf-8") for path in folder.glob(pattern)}
        for old, new in replacements.items():
            places = {path: text.count(old) for path, text in texts.items() if old in text}
            assert [*places.values()] == [1], f"the place for a planted defect is not there once: {old}"
            (path,) = places
            texts[path] = texts[path].replace(old, new)
            path.write_text(texts[path], encoding="utf-8")


def copy_of_kernels(folder: Path, plant: Plant | None) -> None:
    """Copy the kernels and the doors into a folder, with defects."""
    for each in ("kernels", "doors"):
        shutil.copytree(CSRC / each, folder / each, ignore=shutil.ignore_patterns("__pycache__"))
    plant_defects(folder, plant or {})


def extension(name: str, *flags: str, cc: str = "gcc", plant: Plant | None = None) -> Path:
    """Compile the extension of csrc/doors as its door does, and return the folder to put on PYTHONPATH."""
    compiler(cc)
    tag = sysconfig.get_config_var("SOABI")
    with made_once(f"extension-{name}-{tag}", flags, cc, plant) as (folder, make):
        if make:
            copy_of_kernels(folder, plant)
            compiling = "import extension_door; extension_door.compile_module('.')"
            env = {"PYTHONPATH": str(folder / "doors"), "CC": shlex.join([cc, *flags])}
            command(sys.executable, "-c", compiling, cwd=folder, env=env)
    return folder


def snek(
    name: str,
    *flags: str,
    cc: str = "gcc",
    plant: Plant | None = None,
) -> Path:
    """Build the package and return the folder to put on PYTHONPATH.

    `plant` maps files of csrc, or globs, to replacements of text in them: defects that the tests must find.
    """
    pytest.importorskip("setuptools")
    compiler(cc)
    tag = sysconfig.get_config_var("SOABI")
    with made_once(f"snek-{name}-{tag}", flags, cc, plant) as (folder, make):
        if make:
            copy = folder / "csrc"
            shutil.copytree(CSRC, copy, ignore=shutil.ignore_patterns("build", "*.so", "*.egg-info"))
            plant_defects(copy, plant or {})
            given = " ".join(flags)
            env = {
                "CC": " ".join(map(shlex.quote, cached(cc))),
                "LDSHARED": f"{cc} -shared",
                "SNEK_CFLAGS": given,
                "SNEK_LDFLAGS": given,
            }
            if sys.platform == "darwin":
                env["LDSHARED"] = f"{cc} -bundle -undefined dynamic_lookup"
            command(sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "lib", cwd=copy, env=env)
            for path in sources("snek/*.py*"):
                shutil.copy(path, copy / "lib" / "snek")
    return folder / "csrc" / "lib"


def preloading(cc: str = "gcc") -> dict[str, str]:
    """Return what a Python needs to load an extension that is compiled with SANITIZERS, or skip the test."""
    if not sys.platform.startswith("linux"):
        pytest.skip("preloads libasan")
    libraries = [
        command(compiler(cc), f"-print-file-name={library}.so").strip() for library in ("libasan", "libubsan")
    ]
    if not all(map(os.path.isabs, libraries)):
        pytest.skip("needs libasan and libubsan")
    return {
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=0",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        # So that AddressSanitizer sees each of Python's own blocks. Without a GIL, Python has no other allocator than its own.
        **({} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"PYTHONMALLOC": "malloc"}),
    }


def program(
    name: str,
    files: list[Path],
    *flags: str,
    cc: str = "gcc",
    plant: Plant | None = None,
) -> Path:
    """Compile C files, which may include csrc's as "kernels/x.h", and link them; return the executable."""
    compiler(cc)
    contents = [path.read_text(encoding="utf-8") for path in files]
    with made_once(name, contents, flags, cc, plant) as (folder, make):
        if make:
            copy_of_kernels(folder, plant)
            flags = ("-std=c11", "-g", "-O2", "-pthread", *flags)
            objects = [f"{number}.o" for number in range(len(files))]
            for path, target in zip(files, objects, strict=True):
                # the same words in every folder, so that the same file is compiled once
                source = path.relative_to(CSRC) if CSRC in path.parents else path
                compiling = [flag for flag in flags if flag not in ("-shared", "-static")]
                command(*cached(cc), *compiling, "-I.", "-c", source, "-o", target, cwd=folder)
            command(cc, *flags, *objects, "-o", "program", cwd=folder)
    return folder / "program"
