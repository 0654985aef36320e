"""Run the C compiler on a cell: `cc`, and the cell magics `%%c` and `%%cext`.

Every build has a folder of its own under `build/cells/`, named after everything that could change the result:
the source, the local headers it includes, the flags, the compiler, the interpreter. So a changed cell gives a new
file, which the running kernel can load (no process loads one path twice), and an unchanged cell compiles nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import platform
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import ModuleType

from workbench import cures
from workbench.compiler import Compiler, find_compiler
from workbench.show import duration, si

REPOSITORY = Path(__file__).resolve().parents[2]
INCLUDE_PYTHON = '''-I"$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')"'''
MESSAGES = (
    "messages.txt"  # what the compiler said; written last, so its presence means that the build is whole
)


class CompileError(Exception):
    """The compiler refused, or there is none. The message is what the compiler wrote, or what to do."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a Python traceback: the mistake is in the C, not in these files."""
        return [f"CompileError: {self}"]


def cc(
    source: str | os.PathLike[str] | Sequence[os.PathLike[str]],
    *,
    name: str | None = None,
    kind: str = "shared",
    flags: str | Sequence[str] = (),
    libraries: Sequence[str] = (),
    show: bool = True,
) -> Path:
    """Compile C and return the absolute path of the result; print the command that did it.

    source: C code, or the `Path` of a `.c` file, or several of them
    name: of the result without suffix; default: the file's, or "cell"
    kind: "shared" (for ctypes and cffi), "extension" (for `import`; Python's headers are found) or "executable"
    flags: added to `-O3 -Wall -Wextra`; an `-O` flag among them replaces `-O3`. Paths in them are relative to
        the current directory, as everywhere
    libraries: `("m",)` links with `-lm`

    Raises `CompileError` with the compiler's own message, whose line numbers are those of `source`. The same
    source, headers, flags, compiler and interpreter give the same file, compiled once, even when several
    processes ask for it at the same time.
    """
    if kind not in ("shared", "extension", "executable"):
        raise ValueError(f'kind is "shared", "extension" or "executable", not {kind!r}')
    compiler = _compiler()
    flags = shlex.split(flags) if isinstance(flags, str) else [os.fspath(flag) for flag in flags]
    files = _files(source)
    name = name or (files[0].stem if files else "cell")
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(f"name is made of letters, digits, _ and -, not {name!r}")
    if kind == "extension" and not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise CompileError(_no_headers())

    ingredients = [repr((name, kind, flags, tuple(libraries), compiler.command, compiler.version))]
    ingredients += [sysconfig.get_path("include"), sys.version] if kind == "extension" else []
    ingredients += _texts(source if isinstance(source, str) else "", files, flags)
    folder = _cells() / hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:8]
    folder.mkdir(exist_ok=True)
    result = folder / (name + _suffix(kind))

    if isinstance(source, str):
        inputs = [f"{name}.c"]
    else:
        inputs = [os.path.relpath(file, folder) for file in files]
    command = [*compiler.command, *_arguments(kind, inputs, _from(folder, flags), libraries, result.name)]
    if show:
        print("$", _shown(command))
    with _locked(folder):
        seconds = None
        if not (result.exists() and (folder / MESSAGES).exists()):
            if isinstance(source, str):
                (folder / inputs[0]).write_text(source, encoding="utf-8")
            seconds = _run(command, folder)
        if show:
            print((folder / MESSAGES).read_text(encoding="utf-8"), end="")
    if show:
        when = "already built" if seconds is None else f"compiled in {duration(seconds)}"
        print(f"{result.name}: {si(result.stat().st_size, 'B')}, {when}, in {_short(folder)}")
    return result


def _run(command: list[str], folder: Path) -> float:
    """Run the compiler in `folder`, keep what it said; seconds taken. Raises CompileError."""
    plain = {key: value for key, value in os.environ.items() if key not in ("CLICOLOR_FORCE", "FORCE_COLOR")}
    real = [part if part != INCLUDE_PYTHON else f"-I{sysconfig.get_path('include')}" for part in command]
    start = time.perf_counter()
    done = subprocess.run(
        real,
        cwd=folder,
        env=plain | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    seconds = time.perf_counter() - start
    said = done.stdout + done.stderr
    if done.returncode:
        raise CompileError(said.strip() or f"the compiler ended with exit status {done.returncode}")
    (folder / MESSAGES).write_text(said, encoding="utf-8")
    return seconds


def _arguments(
    kind: str, inputs: list[str], flags: list[str], libraries: Sequence[str], output: str
) -> list[str]:
    """The compiler's arguments, in the order that linkers want: what needs a library comes before it."""
    options, linked = [], [f"-l{library}" for library in libraries]
    rest = iter(flags)
    for flag in rest:
        if flag == "-l":
            linked.append(f"-l{next(rest, '')}")
        elif flag.startswith("-l"):
            linked.append(flag)
        else:
            options.append(flag)
    level = [flag for flag in options if re.fullmatch(r"-O\w*", flag)] or ["-O3"]
    options = [*level, "-Wall", "-Wextra", *(flag for flag in options if flag not in level)]
    shape = {
        "executable": [],
        "shared": ["-fPIC", "-shared"],
        "extension": ["-fPIC", "-shared", INCLUDE_PYTHON],
    }[kind]
    if (
        kind == "extension" and sys.platform == "darwin"
    ):  # the interpreter that loads it brings Python's symbols
        shape = ["-bundle", "-undefined", "dynamic_lookup", INCLUDE_PYTHON]
    return [*options, *shape, *inputs, "-o", output, *linked]


def _suffix(kind: str) -> str:
    if kind == "executable":
        return ""
    return ".dylib" if kind == "shared" and sys.platform == "darwin" else ".so"


# What a build is made of ------------------------------------------------------------------------------------


def _files(source: object) -> list[Path]:
    """The files in `source`, absolute; none when it is C code."""
    if isinstance(source, str):
        return []
    paths = [source] if isinstance(source, os.PathLike) else list(source)
    files = [Path(path).resolve() for path in paths]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {_short(file)}")
    return files


def _texts(source: str, files: list[Path], flags: list[str]) -> list[str]:
    """The C code, the files, those among the flags, and every header of ours that they include, directly or not."""
    paths = [Path(flag.removeprefix("-I")).resolve() for flag in flags]
    folders = [path for path in paths if path.is_dir()]
    texts, seen = [source], set()

    def add(found: Path) -> None:
        if found in seen or not found.is_file():
            return
        seen.add(found)
        texts.append(found.read_bytes().decode("utf-8", "replace"))
        add_headers(texts[-1], [found.parent, *folders])

    def add_headers(text: str, folders: list[Path]) -> None:
        for header in re.findall(r'^\s*#\s*include\s*["<]([^">]+)', text, flags=re.MULTILINE):
            for folder in folders:  # a system header is in none of them
                add((folder / header).resolve())

    add_headers(source, folders)
    for file in [*files, *paths]:
        add(file)
    return texts


def _from(folder: Path, flags: list[str]) -> list[str]:
    """`flags` with the paths in them, relative to the current directory, made relative to `folder`."""
    moved = []
    for flag in flags:
        option = flag[:2] if flag.startswith(("-I", "-L")) else ""
        path = flag.removeprefix(option)
        moved.append(option + os.path.relpath(path, folder) if path and Path(path).exists() else flag)
    return moved


# Where it happens -------------------------------------------------------------------------------------------


def _compiler() -> Compiler:
    if os.name == "nt":
        raise CompileError(
            "Compiling from a cell works on Linux and macOS. On Windows, use WSL: `wsl --install`."
        )
    compiler = find_compiler()
    if compiler is None:
        raise CompileError(
            f"There is no C compiler on this machine. `{cures.compiler()}`, or `{cures.SETUP}`, brings one."
        )
    return compiler


def _no_headers() -> str:
    version = platform.python_version()
    return f"Python {version} has no C headers (Python.h) on this machine. `{cures.headers()}` brings them."


def _cells() -> Path:
    """The folder of the builds: in the repository, or the user's own in the temporary folder."""
    cells = REPOSITORY / "build" / "cells"
    with contextlib.suppress(OSError):
        cells.mkdir(parents=True, exist_ok=True)
        if os.access(cells, os.W_OK):
            return cells.resolve()
    mine = Path(tempfile.gettempdir(), f"fast-snek-{os.getuid()}")
    mine.mkdir(mode=0o700, exist_ok=True)
    if mine.stat().st_uid != os.getuid():  # a library is loaded from here: it must be nobody else's
        mine = Path(tempfile.mkdtemp(prefix="fast-snek-"))
    (mine / "cells").mkdir(exist_ok=True)
    return (mine / "cells").resolve()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process at a time builds in `folder`; a process that dies lets go."""
    import fcntl

    with open(folder / "lock", "w") as lock:
        with contextlib.suppress(OSError):  # a network file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _short(path: Path) -> str:
    return (
        str(path.relative_to(REPOSITORY))
        if path.is_relative_to(REPOSITORY)
        else f"{path.parent.name}/{path.name}"
    )


def _shown(command: list[str]) -> str:
    """`command` as a line for the shell, without this machine's paths."""
    program, *arguments = command
    words = ["python3" if program == sys.executable else Path(program).name]
    words += [part if part == INCLUDE_PYTHON else shlex.quote(part) for part in arguments]
    line = " ".join(words)
    return line.replace(INCLUDE_PYTHON, f"\\\n    {INCLUDE_PYTHON} \\\n   ")


# Loading what was built -------------------------------------------------------------------------------------


class Library(ctypes.CDLL):
    """A `ctypes.CDLL` that knows its `path` and doesn't show it. Raises CompileError when it doesn't load."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(str(path))
        except OSError as error:
            raise CompileError(_unloadable(path, error)) from None
        self.path = path

    def __fspath__(self) -> str:
        """Its path, wherever a path is asked for: `%%child --give NAME` gives this to a child, which can load it."""
        return str(self.path)

    def __getattr__(self, name: str):
        try:
            return super().__getattr__(name)
        except AttributeError as error:
            raise AttributeError(str(error).replace(self._name, self.path.name)) from None

    def __repr__(self) -> str:
        return f"<Library {self.path.name}>"


def load_extension(name: str, path: Path) -> ModuleType:
    """Import the extension module `name` from `path` and make it the one that `import name` finds.

    A module already loaded from this very path is returned as it is: an extension module is loaded once. Raises
    CompileError when it doesn't load, and whatever the module raises.
    """
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    loader = ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    try:
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:
        if error.path is None and str(path) not in str(error):
            raise  # the module itself couldn't import something
        raise CompileError(_unloadable(path, error)) from None
    sys.modules[name] = module
    return module


def _unloadable(path: Path, error: Exception) -> str:
    return f"it compiles, but doesn't load: {str(error).replace(str(path), path.name)}"


def register(shell) -> None:
    """Give the running IPython `%%c` and `%%cext`."""
    from IPython.core.error import UsageError

    def parse(magic: str, line: str, cell: str) -> tuple[str, list[str], str]:
        try:
            name, *flags = shlex.split(line) or [""]
        except ValueError as error:
            raise UsageError(f"%%{magic}: {error}") from None
        if not name.isidentifier():
            raise UsageError(f"%%{magic} NAME [compiler flags]: NAME becomes a Python variable")
        # The magic is line 1 of the cell, so the compiler's line numbers are the cell's.
        return name, flags, f"/* %%{magic} {line.replace('*/', '')} */\n{cell}"

    def c(line: str, cell: str) -> None:
        """%%c NAME [flags]: compile the cell to a shared library and bind NAME to it (a ctypes.CDLL)."""
        name, flags, source = parse("c", line, cell)
        shell.user_ns[name] = Library(cc(source, name=name, flags=flags))

    def cext(line: str, cell: str) -> None:
        """%%cext NAME [flags]: compile the cell to the extension module NAME and import it."""
        name, flags, source = parse("cext", line, cell)
        spec = importlib.util.find_spec(name)
        ours = spec is not None and str(spec.origin).startswith(str(_cells()))
        if name in sys.stdlib_module_names or (spec is not None and not ours):
            raise UsageError(f"there is a module {name} already; choose another name")
        shell.user_ns[name] = load_extension(name, cc(source, name=name, kind="extension", flags=flags))

    shell.register_magic_function(c, "cell", "c")
    shell.register_magic_function(cext, "cell", "cext")
