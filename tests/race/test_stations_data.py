"""The test data of the stations race: reproducible, as the challenge defines them, and with the right answer beside them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from race.stations import _data as stations_data
from race.stations._data import Data, Stale

LINE = re.compile(r"[^;\n\r\0]+;-?(0|[1-9][0-9]?)\.[0-9]")


def slow_truth(path: Path) -> dict[str, tuple[int, int, int, int]]:
    """Smallest, sum and largest in tenths, and count, the obvious way."""
    found: dict[str, list[int]] = {}
    for line in path.read_bytes().decode().split("\n")[:-1]:
        name, degrees = line.split(";")
        found.setdefault(name, []).append(int(degrees.replace(".", "")))
    return {name: (min(t), sum(t), max(t), len(t)) for name, t in sorted(found.items())}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """200,000 rows of the 413 cities."""
    return stations_data.write(tmp_path_factory.mktemp("cities") / "data.txt", 200_000)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """200,000 rows of 10,000 made-up names."""
    return stations_data.write(tmp_path_factory.mktemp("many") / "data.txt", 200_000, names=10_000)


def test_the_same_seed_gives_these_bytes(tmp_path: Path) -> None:
    """Fixed for ever, on any system and with any NumPy. Who changes the data counts up FORMAT."""
    path = tmp_path / "data.txt"
    digests = []
    for names in (None, 500):
        stations_data.write(path, 1000, seed=2, names=names)
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest()[:16])
    assert (stations_data.FORMAT, digests) == (1, ["0b74d1f68edb143a", "a00d107d60eb8090"])


def test_another_seed_gives_other_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1.txt", tmp_path / "2.txt"
    stations_data.write(first, 100, seed=1)
    stations_data.write(second, 100, seed=2)
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize("chunk", [1, 999, 1000, 1001, 4096])
def test_the_bytes_do_not_depend_on_the_chunk(tmp_path: Path, chunk: int) -> None:
    whole, parts = tmp_path / "whole.txt", tmp_path / "parts.txt"
    expected = stations_data.write(whole, 3000)
    data = stations_data.write(parts, 3000, chunk=chunk)
    assert parts.read_bytes() == whole.read_bytes()
    assert data.stations == expected.stations


@pytest.mark.parametrize("kind", ["data", "many"])
def test_the_answer_is_that_of_a_slow_count(kind: str, request: pytest.FixtureRequest) -> None:
    data: Data = request.getfixturevalue(kind)
    expected = slow_truth(data.path)
    assert data.stations == expected
    assert list(data.stations) == list(expected)  # the order too
    name, (low, total, high, count) = next(iter(expected.items()))
    assert data.summary()[name] == (low / 10, pytest.approx(total / count / 10), high / 10, count)


@pytest.mark.parametrize("kind", ["data", "many"])
def test_every_line_keeps_to_the_grammar(kind: str, request: pytest.FixtureRequest) -> None:
    data: Data = request.getfixturevalue(kind)
    lines = data.path.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) == data.rows
    assert [line for line in lines if not LINE.fullmatch(line) or line.endswith(";-0.0")] == []
    assert data.bytes == data.path.stat().st_size


def test_the_cities_are_as_many_as_the_challenge_has() -> None:
    names = [name for name, _ in stations_data.cities()]
    assert names == sorted(set(names))
    assert len(names) == 413
    assert sum(len(name.encode()) for name in names) / len(names) == pytest.approx(7.9, abs=0.2)


def test_cities_and_temperatures_are_drawn_as_the_challenge_says(data: Data) -> None:
    means = dict(stations_data.cities())
    assert data.stations.keys() == means.keys()
    expected = data.rows / len(means)
    for name, (low, total, high, count) in data.stations.items():
        assert abs(count - expected) < 6 * expected**0.5
        assert abs(total / count - means[name]) < 6 * stations_data.SIGMA / count**0.5
        assert -999 <= low < means[name] < high <= 999
    # The spread: of 200,000 gaussian draws, 68 % lie within one standard deviation, and some beyond four.
    distances = [
        abs(int(degrees.replace(".", "")) - means[name])
        for name, degrees in (line.split(";") for line in data.path.read_text(encoding="utf-8").splitlines())
    ]
    assert sum(d <= stations_data.SIGMA for d in distances) / len(distances) == pytest.approx(0.683, abs=0.01)
    assert max(distances) > 4 * stations_data.SIGMA


def test_made_up_names_are_different_and_of_1_to_100_bytes(many: Data) -> None:
    names = [name for name, _ in stations_data.made_up(10_000, many.seed)]
    lengths = sorted(len(name.encode()) for name in names)
    assert len(set(names)) == 10_000
    assert (lengths[0], lengths[-1]) == (1, 100)
    assert lengths[5000] < 8  # mostly short
    assert any(not name.isascii() for name in names)
    assert all(name == name.strip() for name in names)
    assert len(many.stations) == 10_000  # at 20 rows each, all occur
    assert len(stations_data.made_up(1, 1)) == 1


def test_temperatures_are_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stations_data, "cities", lambda: [("Cold", -990), ("Hot", 990)])
    data = stations_data.write(tmp_path / "data.txt", 1000)
    assert data.stations == slow_truth(data.path)
    assert data.stations["Cold"][0] == -999
    assert data.stations["Hot"][2] == 999


def test_no_rows_at_all(tmp_path: Path) -> None:
    data = stations_data.write(tmp_path / "data.txt", 0)
    assert (data.bytes, data.stations) == (0, {})
    assert stations_data.load(data.path) == data


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interruption_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Not under the final name, and not under a temporary one."""
    generator, calls = stations_data.np.random.PCG64, []

    class Interrupted:
        def __init__(self, seed: list[int]) -> None:
            self.inner = generator(seed)

        def random_raw(self, size: int) -> object:
            calls.append(size)
            if len(calls) == 3:
                raise error
            return self.inner.random_raw(size)

    monkeypatch.setattr(stations_data.np.random, "PCG64", Interrupted)
    with pytest.raises(type(error)):
        stations_data.write(tmp_path / "data.txt", 1000, chunk=100)
    assert len(calls) == 3
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_older_data_but_marks_them_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = stations_data.write(tmp_path / "data.txt", 100)
    before = data.path.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stations_data, "_write_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stations_data.write(data.path, 200)
    assert data.path.read_bytes() == before
    with pytest.raises(Stale, match="no complete data"):
        stations_data.load(data.path)


def test_loading_gives_what_was_written(data: Data) -> None:
    assert stations_data.load(data.path) == data
    assert stations_data.load(str(data.path)) == data


def test_changed_or_foreign_data_are_stale(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    beside = tmp_path / "data.json"
    with pytest.raises(Stale, match="no complete data"):
        stations_data.load(path)
    stations_data.write(path, 100)
    good = beside.read_text(encoding="utf-8")
    for text, reason in (
        (good[:-10], "no complete data"),
        (good.replace('"format": 1', '"format": 0'), "format"),
        (good.replace('"rows"', '"lines"'), "format"),
        (good.replace('"stations"', '"cities"'), "format"),
        ("[]", "format"),
    ):
        beside.write_text(text, encoding="utf-8")
        with pytest.raises(Stale, match=reason):
            stations_data.load(path)
    beside.write_text(good, encoding="utf-8")
    assert stations_data.load(path).rows == 100
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Stale, match="bytes"):
        stations_data.load(path)


def test_data_are_written_once_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.txt"
    written = []
    original = stations_data.write
    monkeypatch.setattr(stations_data, "write", lambda *a, **k: written.append(a) or original(*a, **k))
    first = stations_data.ensure(path, 100)
    assert stations_data.ensure(path, 100) == first
    assert len(written) == 1
    for rows, seed, names in ((101, 1, None), (101, 2, None), (101, 2, 50)):
        data = stations_data.ensure(path, rows, seed=seed, names=names)
        assert (data.rows, data.seed, data.names) == (rows, seed, names)
        assert data.stations == slow_truth(path)
    assert len(written) == 4


def test_a_full_disk_is_said_before_writing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"need .* GB, .* has .* GB free"):
        stations_data.write(tmp_path / "data.txt", 10**15)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"rows": -1}, {"seed": -1}, {"chunk": 0}, {"names": 0}, {"names": 10**6}])
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        stations_data.write(tmp_path / "data.txt", **{"rows": 1, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_the_answer_cannot_take_the_place_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another suffix"):
        stations_data.write(tmp_path / "data.json", 1)


def test_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    command = [sys.executable, stations_data.__file__, str(path), "--rows"]
    done = subprocess.run(
        [*command, "1_000", "--seed", "3", "--names", "20"], capture_output=True, text=True, check=True
    )
    data = stations_data.load(path)
    assert (data.rows, data.seed, data.names, len(data.stations)) == (1000, 3, 20, 20)
    assert "1,000 rows, 20 names" in done.stdout
    refused = subprocess.run([*command, str(10**15)], capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith("stations data: ")
    assert refused.stderr.count("\n") == 1
