"""Builds `snek._snek` from C. What a table can say is in pyproject.toml; the extension's flags need a program.

SNEK_CFLAGS and SNEK_LDFLAGS add flags at the end, for sanitizers and for `-Werror`.
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


def files(*patterns: str) -> list[str]:
    """Relative paths, as setuptools wants them, in an order that does not depend on the file system."""
    return sorted(str(path.relative_to(HERE)) for pattern in patterns for path in HERE.glob(pattern))


def flags(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))


setup(
    ext_modules=[
        Extension(
            "snek._snek",
            sources=files("kernels/*.c") + ["extensions/snekmodule.c"],
            depends=files("kernels/*.h", "extensions/*.h"),
            extra_compile_args=[
                *("-std=c11", "-O3", "-Wall", "-Wextra", "-Wshadow", "-Wconversion"),
                *("-fvisibility=hidden", "-fno-omit-frame-pointer", "-pthread"),
                *flags("SNEK_CFLAGS"),
            ],
            extra_link_args=["-pthread", *flags("SNEK_LDFLAGS")],
        )
    ]
)
