"""A compiler that remembers: `python cached_cc.py gcc ... -c FILE.c -o FILE.o` compiles only what it has not compiled before.

The tests build csrc dozens of times, each time with one line changed; all files but one are the same. What counts as the
same: the compiler, the arguments, and the file with all that it includes, as the preprocessor puts it out. Other commands,
linking for one, are handed on.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

OBJECTS = Path(__file__).resolve().parents[2] / "build" / "tests" / "objects"
KEPT_SECONDS = 3 * 24 * 3600


def key(arguments: list[str]) -> str | None:
    """Return a name for the object that these arguments make; None: they make no object, or an error."""
    if "-c" not in arguments or "-o" not in arguments:
        return None
    at = arguments.index("-o")
    wanted = [word for word in [*arguments[:at], *arguments[at + 2 :]] if word != "-c"]
    preprocessed = subprocess.run([*wanted, "-E"], capture_output=True)
    if preprocessed.returncode != 0:
        return None
    version = subprocess.run([arguments[0], "--version"], capture_output=True).stdout
    return hashlib.sha256(repr(wanted).encode() + version + preprocessed.stdout).hexdigest()[:32]


def forget_old_objects() -> None:
    for path in OBJECTS.iterdir():
        try:
            if path.stat().st_mtime < time.time() - KEPT_SECONDS:
                path.unlink()
        except FileNotFoundError:
            pass  # another compiler has given the file its name, or forgotten it, meanwhile


def main(arguments: list[str]) -> int:
    name = key(arguments)
    if name is None:
        return subprocess.run(arguments).returncode
    target = Path(arguments[arguments.index("-o") + 1])
    stored = OBJECTS / f"{name}.o"
    if stored.exists():
        os.utime(stored)
        shutil.copy(stored, target)
        return 0
    status = subprocess.run(arguments).returncode
    if status == 0:
        OBJECTS.mkdir(parents=True, exist_ok=True)
        forget_old_objects()
        unfinished = OBJECTS / f"{name}.{os.getpid()}"
        shutil.copy(target, unfinished)
        unfinished.replace(stored)  # two test runs at a time see all of it or nothing
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
