"""`snek.stations_part` and `snek.stations_merge`: parts of a file come to what the whole file does, exactly.

Needs pytest and hypothesis only, so that it runs on any interpreter. That stations_part agrees with its twin, on good
lines and bad ones, is seen in test_stations.py.
"""

import concurrent.futures
import json
import multiprocessing
import os
import pickle
import random
import re
import types

import pytest
import twins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import snek

QUICK = bool(os.environ.get("SNEK_TESTS_QUICK"))
NAMES = [
    f"{letter} {number}" for number in range(60) for letter in ("a", "Z", "é", "☃", "x" * 20, "\ufeff", "\r")
]
NAMES = NAMES[:413]


def examples(number: int):
    """Return hypothesis settings: that many examples, or a tenth of them where each costs more."""
    return settings(
        max_examples=number // 10 if QUICK else number,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )


def rows(number: int, seed: int) -> list[bytes]:
    """Return lines of the 413 names, all of them there, around a mean of their own: sums of either sign, many halves."""
    chance = random.Random(seed)
    means = {name: chance.randrange(-300, 300) for name in NAMES}
    drawn = NAMES + chance.choices(NAMES, k=number - len(NAMES))
    chance.shuffle(drawn)
    return [f"{name};{(means[name] + chance.randrange(-99, 100)) / 10:.1f}\n".encode() for name in drawn]


LINES = rows(5_000, 1)
WHOLE = snek.stations(b"".join(LINES))


def pieces(cuts: list[int]) -> list[bytes]:
    """Return the text cut in front of these lines; some pieces are empty if numbers come twice."""
    ends = [0, *sorted(cuts), len(LINES)]
    return [b"".join(LINES[begin:end]) for begin, end in zip(ends, ends[1:])]  # noqa: B905, RUF007


def same(found: dict, expected: dict) -> bool:
    """Equal, in the same order, of the same types, 0.0 not being -0.0."""
    return found == expected and repr(found) == repr(expected)


def test_the_data():
    assert len(WHOLE) == 413
    assert same(WHOLE, twins.stations(b"".join(LINES)))


@given(cuts=st.lists(st.integers(0, len(LINES)), max_size=40), chance=st.randoms(), threads=st.integers(0, 3))
@examples(100)
def test_parts_come_to_the_whole(cuts, chance, threads):
    """Cut in front of any lines, sent as pickles, merged in any order."""
    parts = [pickle.loads(pickle.dumps(snek.stations_part(piece, threads=threads))) for piece in pieces(cuts)]
    chance.shuffle(parts)
    assert same(snek.stations_merge(parts), WHOLE)


def test_a_part_for_each_line():
    assert same(snek.stations_merge(map(snek.stations_part, LINES)), WHOLE)


def test_large_parts(tmp_path):
    """Several segments and threads, from files."""
    text = rows(60_000, 2)
    (tmp_path / "one").write_bytes(b"".join(text[:29_000]))
    (tmp_path / "two").write_bytes(b"".join(text[29_000:]).removesuffix(b"\n"))
    for threads in (1, 2, 3):
        parts = [snek.stations_part(path, threads=threads) for path in (tmp_path / "one", tmp_path / "two")]
        assert same(snek.stations_merge(parts), snek.stations(b"".join(text)))


def test_rounded_means_do_not_add_up():
    """Why there are parts: the same from what `stations` returns, each mean weighted by its count, is wrong."""
    merged = {}
    for piece in pieces([1_000, 2_200, 3_900]):
        for name, (_, mean, _, count) in snek.stations(piece).items():
            total, number = merged.get(name, (0, 0))
            merged[name] = (total + round(mean * 10) * count, number + count)
    wrong = [name for name, sums in merged.items() if twins.mean(*sums) != WHOLE[name][1]]
    assert len(wrong) > 20


def test_processes():
    """Parts from workers of a pool."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as workers:
        parts = workers.map(snek.stations_part, pieces([100, 2_000, 4_999]))
        assert same(snek.stations_merge(parts), WHOLE)


parts_of_a_few = st.dictionaries(
    st.sampled_from(["a", "b", "é", ""]) | st.text(max_size=3),
    st.lists(st.integers(-999, 999), min_size=1, max_size=4).map(
        lambda tenths: (min(tenths), sum(tenths), max(tenths), len(tenths))
    ),
    max_size=4,
)


@given(parts=st.lists(parts_of_a_few, max_size=5))
@examples(300)
def test_against_the_twin(parts):
    before = pickle.dumps(parts)
    assert same(snek.stations_merge(parts), twins.stations_merge(parts))
    assert pickle.dumps(parts) == before


@pytest.mark.parametrize(
    ("numbers", "mean"),
    [
        ((1, 3, 2, 2), "0.2"),
        ((-2, -3, -1, 2), "-0.1"),
        ((-1, -1, 0, 2), "0.0"),
        ((-1, -1, 0, 3), "0.0"),
        ((-4, -15, -3, 4), "-0.4"),
        ((-999, -999 * 10**30, -999, 10**30), "-99.9"),
        ((998, 999 * 10**30 - 1, 999, 10**30), "99.9"),
        ((-999, 0, 999, 2), "0.0"),
    ],
)
def test_means(numbers, mean):
    """Halves go up; a zero has no sign; counts of any size are exact."""
    assert repr(snek.stations_merge([{"a": numbers}])["a"][1]) == mean


def test_sums_beyond_64_bits():
    part = {"a": (-999, -999 * 2**62, -999, 2**62)}
    assert snek.stations_merge([part] * 40) == {"a": (-99.9, -99.9, -99.9, 40 * 2**62)}


class Index:
    """What has __index__ is an integer, as a numpy.int64 is."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


def test_what_is_a_part():
    """Any mapping of any four integers: JSON has lists, NumPy numbers of its own. The result has Python's."""
    expected = {"a": (-0.1, 0.1, 0.2, 2)}
    part = {"a": (-1, 1, 2, 2)}
    for other in (
        json.loads(json.dumps(part)),
        types.MappingProxyType(part),
        {"a": iter((-1, 1, 2, 2))},
        {"a": [Index(-1), Index(1), Index(2), Index(2)]},
    ):
        assert same(snek.stations_merge(iter([other])), expected)
    assert snek.stations_merge([{"a": (True, True, True, True)}]) == {"a": (0.1, 0.1, 0.1, 1)}
    assert type(snek.stations_merge([{"a": (0, 0, 0, True)}])["a"][3]) is int


@pytest.mark.parametrize("parts", [[], (), iter([]), [{}], [{}, {}]], ids=range(5))
def test_without_parts(parts):
    assert snek.stations_merge(parts) == {}


PART = snek.stations_part(b"a;1.0\n")


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        (5, TypeError, "not iterable"),
        (PART, TypeError, "pass [part]"),
        ({}, TypeError, "pass [part]"),
        ("ab", TypeError, "a part must be a mapping, as stations_part returns, not str"),
        ([PART, None], TypeError, "a part must be a mapping, as stations_part returns, not NoneType"),
        ([[PART]], TypeError, "not list"),
        ([{b"a": (0, 0, 0, 1)}], TypeError, "a name must be a str, not bytes"),
        ([snek.stations(b"a;1.0\n")], TypeError, "'a': min, sum, max and count must be integers: 'float'"),
        ([{"a": 5}], TypeError, "'a': min, sum, max and count must be integers: "),
        ([{"a": "0001"}], TypeError, "'a': min, sum, max and count must be integers: 'str'"),
        ([{"a": (0, 0, 0, None)}], TypeError, "'a': min, sum, max and count must be integers: 'NoneType'"),
        ([{"a": (0, 0, 0)}], ValueError, "'a': not min, sum, max and count: "),
        ([{"a": (0, 0, 0, 1, 1)}], ValueError, "'a': not min, sum, max and count: "),
        ([{"a": (0, 0, 1000, 2)}], ValueError, "'a': not -999 <= min <= max <= 999"),
        ([{"a": (-1000, 0, 0, 2)}], ValueError, "'a': not -999 <= min <= max <= 999"),
        ([{"a": (1, 1, 0, 2)}], ValueError, "'a': not -999 <= min <= max <= 999"),
        ([{"a": (-(10**5000), 0, 0, 2)}], ValueError, "'a': not -999 <= min <= max <= 999"),
        ([{"a": (0, 0, 0, 0)}], ValueError, "do not come to sum"),
        ([{"a": (0, 0, 0, -1)}], ValueError, "do not come to sum"),
        ([{"a": (0, 1, 1, 1)}], ValueError, "do not come to sum"),
        ([{"a": (0, 0, 1, 2)}], ValueError, "do not come to sum"),
        ([{"a": (0, 2, 1, 2)}], ValueError, "do not come to sum"),
        ([PART, {"a": (10, 10**5000, 10, 1)}], ValueError, "do not come to sum"),
        ([{"x" * 1000: (0, 0, 0, 0)}], ValueError, "'" + "x" * 119 + ": count temperatures"),
    ],
    ids=range(24),
)
def test_what_is_no_part(parts, error, message):
    with pytest.raises(error, match=re.escape(message)):
        snek.stations_merge(parts)


def test_errors_of_others_get_through():
    """From the iterable, a mapping, a conversion."""

    class Unwilling:
        def __index__(self):
            raise ZeroDivisionError

    def failing():
        yield PART
        raise KeyError("no")

    with pytest.raises(ZeroDivisionError):
        snek.stations_merge([{"a": (Unwilling(), 0, 0, 1)}])
    with pytest.raises(KeyError):
        snek.stations_merge(failing())


def test_arguments_of_stations_part():
    for source in (b"a;1.0\n", bytearray(b"a;1.0\n"), memoryview(b"a;1.0\n")):
        for threads in (0, 1, 2, True):
            assert snek.stations_part(source=source, threads=threads) == {"a": (10, 10, 10, 1)}
    for args, kwargs, error, message in [
        ((), {}, TypeError, r"stations_part\(\) missing 1 required argument: 'source'"),
        ((b"", 1), {}, TypeError, r"stations_part\(\) takes at most 1 positional argument \(2 given\)"),
        ((b"",), {"part": 3}, TypeError, r"stations_part\(\) got an unexpected keyword argument 'part'"),
        ((5,), {}, TypeError, "source must be a path"),
        ((b"",), {"threads": -1}, ValueError, "threads must be from 0 to 1024"),
        ((b"a;1.0\nb;x\n",), {}, ValueError, "malformed line at byte 6: "),
        (("/",), {}, IsADirectoryError, "directory"),
    ]:
        with pytest.raises(error, match=message):
            snek.stations_part(*args, **kwargs)


anything = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=12,
)


@given(
    args=st.lists(anything, max_size=2), name=st.sampled_from(["source", "threads", "parts"]), value=anything
)
@examples(1000)
def test_hostile_calls(args, name, value):
    """Every call gives a dict, or raises what the documentation says."""
    for function in (snek.stations_part, snek.stations_merge):
        for kwargs in ({}, {name: value}):
            try:
                assert isinstance(function(*args, **kwargs), dict)
            except (TypeError, ValueError, OSError):
                pass
