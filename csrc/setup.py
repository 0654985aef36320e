"""Builds `snek._snek` from C. What a table can say is in pyproject.toml; the rest needs a program.

CC picks the compiler: gcc, clang, or `python -m ziglang cc`. SNEK_CFLAGS and SNEK_LDFLAGS add flags at the end, for
sanitizers and for `-Werror`. Only the C standard's own floating point: no -ffast-math; and no -march=native, the
kernels that need a newer CPU than the compiler's default ask for it themselves, and are chosen at run time.
"""

import os
import shlex
import sys
from pathlib import Path

from setuptools import Extension, setup

if sys.platform == "win32":
    raise SystemExit("snek needs a POSIX system and gcc, clang or zig cc: on Windows, use WSL")

HERE = Path(__file__).resolve().parent
os.chdir(HERE)

# Inside the course's repository, what is made on the way goes where all that is generated goes.
SCRATCH = HERE.parent / "build" / "csrc" if (HERE.parent / "build.sh").exists() else HERE / "build"
SCRATCH.mkdir(parents=True, exist_ok=True)


def files(*patterns: str) -> list[str]:
    """Relative paths, as setuptools wants them, in an order that does not depend on the file system."""
    return sorted(str(path.relative_to(HERE)) for pattern in patterns for path in HERE.glob(pattern))


def flags(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))


# zig compiles for the very CPU it runs on, unless told otherwise; and its linker refuses some of the flags that a Debian
# Python wants its extensions linked with.
ZIG = "zig" in os.environ.get("CC", "")
if ZIG and sys.platform == "linux":
    os.environ.setdefault("LDSHARED", os.environ["CC"] + " -shared")

setup(
    options={"build": {"build_base": str(SCRATCH)}, "egg_info": {"egg_base": str(SCRATCH)}},
    ext_modules=[
        Extension(
            "snek._snek",
            sources=files("kernels/*.c", "extensions/*.c"),
            depends=files("kernels/*.h", "extensions/*.h"),
            extra_compile_args=[
                *("-std=c11", "-O3", "-Wall", "-Wextra", "-Wshadow", "-Wconversion"),
                *("-fvisibility=hidden", "-fno-omit-frame-pointer", "-pthread"),
                *(["-mcpu=baseline"] if ZIG else []),
                *flags("SNEK_CFLAGS"),
            ],
            extra_link_args=["-pthread", *flags("SNEK_LDFLAGS")],
        )
    ],
)
