"""Write test data for the one-billion-row challenge, and the answer beside it.

    python notebooks/race/stations/_data.py FILE --rows 10_000_000               413 cities, 10 million rows, 137 MB
    python notebooks/race/stations/_data.py FILE --rows 10_000_000 --names 10000  10,000 made-up names of 1 to 100 bytes

The data are what https://github.com/gunnarmorling/1brc defines: lines of `name;-12.3`, UTF-8, each ended by a newline; 413
stations drawn uniformly; temperatures with one decimal, gaussian around the mean of their station with a standard deviation of
10 degrees, clipped to -99.9 .. 99.9. The 413 cities and their means (stations.csv) are a list of our own, with rounded climate
figures: as many names as the challenge has, and as long on average. With `--names` the lengths follow the curve of the
challenge's 10,000-name variant: mostly short, a few up to 100 bytes.

The same rows, seed and names give the same bytes, on any system and with any NumPy: each row uses up one raw 64-bit number of
PCG64, whose stream NumPy guarantees, and integers from there on. A temperature's distance from the mean is one of 65,536
equally likely quantiles of the gaussian, so none is further than 43 degrees away.

Beside FILE.txt, FILE.json is written last. It holds what the data were made from and, per name, the smallest temperature, the sum,
the largest, all in tenths of a degree, and the count: exact integers, added up while writing. Without it, or with one that does
not fit, the data are stale.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import BinaryIO

import numpy as np

FORMAT = 1  # of the data and of the JSON beside them: count up when either changes
CITIES = Path(__file__).with_name("stations.csv")
CHUNK = 1 << 18  # rows in memory at a time
SIGMA = 100  # tenths of a degree
LIMIT = 999
QUANTILES = 1 << 16
LONGEST_NAME = 100  # bytes

Tenths = tuple[int, int, int, int]  # smallest, sum, largest (in tenths of a degree), count


class Stale(ValueError):
    """There are no such data, or not those that were asked for; the message says why."""


@dataclass(frozen=True)
class Data:
    """A file of measurements: what it was made from, and what is in it."""

    path: Path
    rows: int
    seed: int
    names: int | None  # None: the 413 cities
    bytes: int
    stations: dict[str, Tenths]  # those that occur, sorted by name

    def summary(self) -> dict[str, tuple[float, float, float, int]]:
        """Return {name: (min, mean, max, count)}, the mean neither rounded nor off by more than float64 is."""
        return {
            name: (low / 10, total / 10 / count, high / 10, count)
            for name, (low, total, high, count) in self.stations.items()
        }


# --- names and temperatures -----------------------------------------------------------------------------------------------


def cities() -> list[tuple[str, int]]:
    """Return the 413 cities of stations.csv, each with its mean temperature in tenths of a degree."""
    lines = CITIES.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(";") for line in lines)
    return [(name, round(float(mean) * 10)) for name, mean in pairs]


def made_up(number: int, seed: int) -> list[tuple[str, int]]:
    """Return so many different names of 1 to 100 UTF-8 bytes, each with a mean temperature in tenths of a degree.

    The names are cut out of all cities' names in a row. Their lengths follow the challenge's curve, whose ends are 1 and 100:
    with 10,000 names there are some of both.
    """
    text = "".join(name for name, _ in cities())
    generator = np.random.PCG64([seed, 1])
    found: dict[str, int] = {}
    for i in range(number):
        length = int(4 + 2500 * ((i + 0.5) / number - 0.372) ** 7)
        while True:
            start = generator.random_raw() % (len(text) - LONGEST_NAME)
            name = text[start : start + length].encode()[:length].decode(errors="ignore").strip()
            if name and name not in found:
                break
            length = min(length + 1, LONGEST_NAME)  # short names run out: there are few of one letter
        found[name] = generator.random_raw() % 400 - 100  # -10.0 .. 29.9 degrees
    return list(found.items())


def _padded(texts: list[bytes]) -> np.ndarray:
    """Return the texts as a NumPy array of fixed width, filled with zero bytes."""
    return np.array(texts, dtype=f"S{max(map(len, texts))}")


def _degrees(tenths: int) -> bytes:
    return b"%s%d.%d" % (b"-" if tenths < 0 else b"", abs(tenths) // 10, abs(tenths) % 10)


# --- writing --------------------------------------------------------------------------------------------------------------


def write(
    path: str | os.PathLike, rows: int, *, seed: int = 1, names: int | None = None, chunk: int = CHUNK
) -> Data:
    """Write `rows` measurements to `path` and the answer to the same name with the suffix .json; return what was written.

    `names`: None for the 413 cities, or how many made-up names. `chunk`: rows in memory at a time; the bytes do not depend on it.
    Both files appear under their names when they are complete. Raises OSError where the disk has no room for them.
    """
    if rows < 0 or seed < 0 or chunk < 1 or (names is not None and not 1 <= names <= 100_000):
        raise ValueError("rows and seed must be 0 or more, chunk at least 1, names from 1 to 100,000")
    path = Path(path)
    if path.suffix == ".json":
        raise ValueError(f"{path.name} is where the answer would be written: choose another suffix")
    stations = cities() if names is None else made_up(names, seed)
    _check_room(path, rows, [name for name, _ in stations])
    _beside(path).unlink(missing_ok=True)  # from here on, whatever lies under `path` counts as stale
    with _renamed_when_complete(path) as file:
        tally = _write_rows(file, rows, stations, seed, chunk)
        size = file.tell()
    found = {name: tenths for (name, _), tenths in zip(stations, tally, strict=True) if tenths[-1]}
    data = Data(path, rows, seed, names, size, dict(sorted(found.items())))
    with _renamed_when_complete(_beside(path)) as file:
        file.write(
            json.dumps({"format": FORMAT, **asdict(data), "path": path.name}, ensure_ascii=False).encode()
        )
    return data


def _write_rows(
    file: BinaryIO, rows: int, stations: list[tuple[str, int]], seed: int, chunk: int
) -> list[Tenths]:
    """Write the lines. Return smallest, sum, largest and count for each station."""
    number = len(stations)
    means = np.array([mean for _, mean in stations])
    gaussian = NormalDist(0, SIGMA)
    distances = np.array([round(gaussian.inv_cdf((i + 0.5) / QUANTILES)) for i in range(QUANTILES)])
    heads = _padded([name.encode() + b";" for name, _ in stations])
    tails = _padded([_degrees(tenths) + b"\n" for tenths in range(-LIMIT, LIMIT + 1)])
    count, total = np.zeros((2, number), np.int64)
    low, high = np.full(number, LIMIT), np.full(number, -LIMIT)
    generator = np.random.PCG64([seed, 0])

    for begin in range(0, rows, chunk):
        raw = generator.random_raw(min(chunk, rows - begin))
        station = ((raw >> np.uint64(32)) * np.uint64(number) >> np.uint64(32)).astype(np.intp)
        tenths = means[station] + distances[raw.astype(np.uint16)]
        np.clip(tenths, -LIMIT, LIMIT, out=tenths)

        lines = np.empty(len(raw), [("head", heads.dtype), ("tail", tails.dtype)])
        lines["head"] = heads[station]
        lines["tail"] = tails[tenths + LIMIT]
        file.write(lines.tobytes().translate(None, b"\0"))  # drops the padding: no name holds a zero byte

        count += np.bincount(station, minlength=number)
        # Exact, though the weights are float64: they hold integers up to 2**53.
        total += np.bincount(station, tenths, number).astype(np.int64)
        np.minimum.at(low, station, tenths)
        np.maximum.at(high, station, tenths)
    return list(zip(low.tolist(), total.tolist(), high.tolist(), count.tolist(), strict=True))


@contextmanager
def _renamed_when_complete(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; it gets that name at the end, and goes away after an exception."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:  # Ctrl-C too
        os.unlink(name)
        raise


def _check_room(path: Path, rows: int, names: list[str]) -> None:
    """Raise OSError if the data may not fit on the disk."""
    line = sum(len(name.encode()) for name in names) / len(names) + len(";-12.3\n")
    need, free = int(rows * line), shutil.disk_usage(path.parent).free
    if need > free:
        raise OSError(
            f"{rows:,} rows need {need / 1e9:.1f} GB, {path.parent} has {free / 1e9:.1f} GB free: fewer rows, or another disk"
        )


# --- reading --------------------------------------------------------------------------------------------------------------


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def load(path: str | os.PathLike) -> Data:
    """Return what `write` noted about the data in `path`. Raises Stale if they are missing, half-written or changed."""
    path = Path(path)
    try:
        noted = json.loads(_beside(path).read_text(encoding="utf-8"))
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise Stale(f"no complete data: {error}") from None
    if not isinstance(noted, dict) or noted.pop("format", None) != FORMAT:
        raise Stale(f"{_beside(path)} is not of format {FORMAT}")
    try:
        noted["stations"] = {name: tuple(tenths) for name, tenths in noted["stations"].items()}
        data = Data(**{**noted, "path": path})
    except (KeyError, TypeError, AttributeError) as error:
        raise Stale(f"{_beside(path)} is not of format {FORMAT}: {error}") from None
    if size != data.bytes:
        raise Stale(f"{path} has {size:,} bytes, not the {data.bytes:,} that were written")
    return data


def ensure(path: str | os.PathLike, rows: int, *, seed: int = 1, names: int | None = None) -> Data:
    """Return the data in `path` if they are what is asked for; otherwise write them."""
    try:
        data = load(path)
    except Stale:
        return write(path, rows, seed=seed, names=names)
    if (data.rows, data.seed, data.names) != (rows, seed, names):
        return write(path, rows, seed=seed, names=names)
    return data


def main() -> int:
    """Write the file that the command line asks for. Return the exit status."""
    parser = argparse.ArgumentParser(description="Write test data for the one-billion-row challenge.")
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--rows", type=int, required=True, metavar="N", help="how many lines, such as 10_000_000"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another seed, other data (default 1)"
    )
    parser.add_argument(
        "--names", type=int, metavar="N", help="so many made-up names instead of the 413 cities"
    )
    asked = parser.parse_args()
    try:
        data = write(asked.file, asked.rows, seed=asked.seed, names=asked.names)
    except (OSError, ValueError) as error:
        print(f"stations data: {error}", file=sys.stderr)
        return 1
    print(f"{data.path}: {data.rows:,} rows, {len(data.stations):,} names, {data.bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
