"""`snek.stations`: right results, the right line blamed, and never a crash, whatever is passed.

Needs pytest and hypothesis only, so that it runs on any interpreter. The kernel by itself is tested in
test_stations_kernel.py, what happens to processes in test_stations_processes.py.
"""

import array
import contextlib
import ctypes
import errno
import mmap
import os
import random
import re
import socket
import sys
import threading
import time
import timeit
from pathlib import Path

import pytest
import twins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import snek

QUICK = bool(os.environ.get("SNEK_TESTS_QUICK"))
needs_python_buffers = pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in 3.12")
SEGMENT = 256 * 1024  # what a thread takes at a time


def examples(number: int):
    """Return hypothesis settings: that many examples, or a tenth of them where each costs more."""
    return settings(
        max_examples=number // 10 if QUICK else number,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )


def outcome(function, data, **arguments):
    """Return the result, or the offset of the line that is blamed."""
    try:
        return function(data, **arguments)
    except twins.Malformed as error:
        return f"malformed line at byte {error.args[0]}"
    except ValueError as error:
        return str(error).partition(":")[0]


def agree(data: bytes, **arguments) -> None:
    """It gives what its twin gives, in the same order, and the same types."""
    expected, found = outcome(twins.stations, data), outcome(snek.stations, data, **arguments)
    assert found == expected
    if isinstance(found, dict):
        assert list(found) == list(expected)
        assert {type(value) for row in found.values() for value in row[:3]} <= {float}
        assert {type(row) for row in found.values()} <= {tuple}
        assert repr(found) == repr(expected)  # 0.0 is not -0.0
    part = outcome(snek.stations_part, data, **arguments)
    assert repr(part) == repr(outcome(twins.stations_part, data))  # no number of another type either


# ---- what a line is ----

LONGEST = "é" * 50
GOOD = [
    *(
        "a;0.0",
        "a;-0.0",
        "a;5.3",
        "a;05.3",
        "a;-05.3",
        "a;00.0",
        "a;-00.0",
        "a;99.9",
        "a;-99.9",
        "a;9.9",
        "a;-9.9",
    ),
    *(
        f"{'x' * length};-12.3"
        for length in (1, 7, 8, 9, 14, 15, 16, 17, 31, 32, 33, 48, 95, 96, 97, 99, 100)
    ),
    *(
        f"{LONGEST};1.0",
        " ;1.0",
        "\0;1.0",
        "a\0;1.0",
        "\0\0\0\0;1.0",
        "a\r;1.0",
        "\r;1.0",
        "\t;1.0",
        "-1.0;1.0",
        "1.0;1.0",
    ),
    *(
        "a,b;1.0",
        '"a";1.0',
        "#;1.0",
        "\N{SNOWMAN};1.0",
        "\U0010ffff;1.0",
        "\ufeffa;1.0",
        "\ud7ff;1.0",
        "\ue000;1.0",
    ),
]
BAD = [
    *(
        b"",
        b";",
        b";1.0",
        b"a",
        b"a;",
        b"a1.0",
        b"a;1",
        b"a;1.",
        b"a;.1",
        b"a;-.1",
        b"a;-",
        b"a;--1.0",
        b"a;+1.0",
    ),
    *(
        b"a;1.00",
        b"a;100.0",
        b"a;-100.0",
        b"a;123.4",
        b"a;1.0 ",
        b"a; 1.0",
        b"a;1,0",
        b"a;1.x",
        b"a;x.1",
        b"a;1x.1",
    ),
    *(
        b"a;x1.1",
        b"a;-x.1",
        b"a;1..1",
        b"a;1.1.1",
        b"a;1.0;",
        b"a;b;1.0",
        b";;1.0",
        b"a;1.0\0",
        b"a;\0001.0",
        b"a;1e1",
    ),
    *(
        b"a;/.0",
        b"a;:.0",
        b"a;1./",
        b"a;1.:",
        b"a;/1.0",
        b"a;:1.0",
        b"a;1.0\r\r",
        b"a;1.0\rb",
        b"a;1\r.0",
        b"a;nan",
    ),
    *(
        b"a;\xb1.0",
        b"a;1.\xb0",
        b"a;\xfa1.0",
        b"a;1\xff.0",
        b"a;1\xae0",
        b"a;\xad1.0",
        b"a;,1.0",
        b"a;)1.0",
        b"a;-\x001.0",
    ),
    *(
        b"x" * 101 + b";1.0",
        b"x" * 200,
        b"x" * 5000 + b";1.0",
        b"x" * 100 + b"1.0",
        "é".encode() * 50 + b"x;1.0",
    ),
    *(
        b"\x80;1.0",
        b"\xff;1.0",
        b"a\xc3;1.0",
        b"\xc3\x28;1.0",
        b"\xc0\xaf;1.0",
        b"\xc1\xbf;1.0",
        b"\xe0\x9f\xbf;1.0",
    ),
    *(
        b"\xed\xa0\x80;1.0",
        b"\xed\xbf\xbf;1.0",
        b"\xf0\x8f\xbf\xbf;1.0",
        b"\xf4\x90\x80\x80;1.0",
        b"\xf5\x80\x80\x80;1.0",
    ),
    *(
        b"\xe2\x82;1.0",
        b"\xf0\x9f\x98;1.0",
        b"\xe2\x28\xa1;1.0",
        b"\xf0\x9f\x28\x80;1.0",
        b"\xf0\x9f\x98\x28;1.0",
        b"\xc3",
    ),
]


@pytest.mark.parametrize("line", GOOD, ids=range(len(GOOD)))
def test_good_lines(line):
    """By itself, with each end of a line, and between others."""
    line = line.encode()
    assert len(snek.stations(line)) == 1
    for ending in (b"", b"\n", b"\r\n", b"\r", b"\nb;2.5", b"\r\nb;2.5\n"):
        agree(line + ending)
        agree(b"c;9.9\n" + line + ending)


@pytest.mark.parametrize("line", BAD, ids=range(len(BAD)))
def test_bad_lines(line):
    """Refused wherever they are; the offset is that of the line's first byte."""
    for before in (b"", b"b;2.5\n", b"b;2.5\r\nlonger;-99.9\n" * 40):
        for after in (b"\n", b"\r\n", b"\nb;1.5\n", b"\r\n" + b"Ab;0.1\n" * 40):
            data = before + line + after
            with pytest.raises(ValueError, match=f"^malformed line at byte {len(before)}: ."):
                snek.stations(data)
            agree(data)


def test_every_temperature():
    numbers = [f"{'-' * minus}{n // 10}.{n % 10}" for minus in (0, 1) for n in range(1000)]
    found = snek.stations("".join(f"{n};{n}\n" for n in numbers).encode())
    assert found == {n: (float(n), float(n), float(n), 1) for n in sorted(numbers)}
    agree("".join(f"a;{n}\n" for n in numbers).encode())


def test_every_short_text_for_a_temperature():
    """All that can be made of these characters, in up to four places, before a newline and before the end."""
    import itertools

    for length in range(5):
        for text in itertools.product("0-.9\r;", repeat=length):
            agree(f"a;{''.join(text)}\n".encode())
    for text in itertools.product("0.", "5.", ".9", "90\r", "0\n\r"):
        agree(b"a;-" + "".join(text).encode())


@pytest.mark.parametrize(
    ("temperatures", "mean"),
    [
        ("0.1 0.2", "0.2"),
        ("-0.1 -0.2", "-0.1"),
        ("0.0 0.1", "0.1"),
        ("0.0 -0.1", "0.0"),
        ("-0.1 0.0 0.0", "0.0"),
        ("-0.0", "0.0"),
        ("0.1 0.0 0.0", "0.0"),
        ("0.1 0.1 0.0", "0.1"),
        ("-0.1 -0.1 0.0", "-0.1"),
        ("-0.3 -0.4 -0.4 -0.4", "-0.4"),
        ("-99.9 99.9", "0.0"),
        ("-99.9 -99.8", "-99.8"),
        ("99.9 99.8", "99.9"),
        ("0.1 0.1 0.1 0.2", "0.1"),
        ("0.1 0.1 0.2 0.2", "0.2"),
        ("-0.1 -0.1 -0.2 -0.2", "-0.1"),
        ("12.3 12.4 12.4", "12.4"),
    ],
)
def test_means(temperatures, mean):
    """Halves go up, as Java's Math.round has it; a zero has no sign."""
    data = "".join(f"a;{text}\n" for text in temperatures.split()).encode()
    assert repr(snek.stations(data)["a"][1]) == mean
    agree(data)


def test_without_lines():
    assert snek.stations(b"") == {}
    agree(b"\n")
    agree(b"\n\n")
    agree(b"\r\n")


def test_order():
    """As Python sorts str."""
    names = [
        "b",
        "a",
        "aa",
        "a\0",
        "B",
        "ab",
        "é",
        "e",
        "ÿ",
        "\uffff",
        "\U00010000",
        "\ue000",
        "x" * 99,
        "x" * 100,
        "x" * 16,
    ]
    names += ["x" * 15, "x" * 15 + "y", "x" * 16 + "y", "x" * 17, "\x7f", "\x80"]
    assert list(snek.stations("".join(f"{name};1.0\n" for name in names).encode())) == sorted(names)


def test_names_that_differ_in_one_byte():
    """At every place of names of every length: none is taken for another."""
    names = {"x" * length for length in range(1, 101)}
    names |= {
        "x" * place + letter + "x" * (length - place - 1)
        for length in (1, 8, 15, 16, 17, 31, 32, 33, 47, 64, 100)
        for place in range(length)
        for letter in ("y", "\0")
    }
    data = "".join(f"{name};{n % 100}.{n % 10}\n" for n, name in enumerate(sorted(names) * 3)).encode()
    agree(data)


# ---- sources ----

DATA = "Hamburg;12.0\nÅland;-3.4\nHamburg;-2.5\n".encode()
RESULT = {"Hamburg": (-2.5, 4.8, 12.0, 2), "Åland": (-3.4, -3.4, -3.4, 1)}


def of_mmap():
    view = mmap.mmap(-1, len(DATA))
    view[:] = DATA
    return view


class Bytes(bytes):
    """A subclass."""


SOURCES = {
    "bytes": lambda: DATA,
    "a subclass": lambda: Bytes(DATA),
    "bytearray": lambda: bytearray(DATA),
    "memoryview": lambda: memoryview(DATA),
    "some of it": lambda: memoryview(b"xx" + DATA + b"xx")[2:-2],
    "two dimensions": lambda: memoryview(DATA).cast("B", (1, len(DATA))),
    "array": lambda: array.array("b", DATA),
    "array of two bytes": lambda: array.array("H", DATA.ljust(len(DATA) + len(DATA) % 2, b"\n")),
    "ctypes": lambda: (ctypes.c_char * len(DATA)).from_buffer_copy(DATA),
    "mmap": of_mmap,
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_bytes_like_objects(make):
    if memoryview(make()).nbytes == len(DATA):
        assert snek.stations(make()) == RESULT
    assert snek.stations(source=memoryview(make()).cast("B")[: len(DATA)]) == RESULT


class Refusing(type):
    """Of classes that raise something else than AttributeError, as a Ctrl-C in the middle of __getattr__ would."""

    def __getattr__(cls, name):
        raise ZeroDivisionError(name) if name == "__fspath__" else AttributeError(name)


class Refused(metaclass=Refusing):
    """No path, and no buffer."""


class Path_like:
    """An os.PathLike that gives what it was given."""

    def __init__(self, answer):
        self.answer = answer

    def __fspath__(self):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "mesurées ☃.txt"
    path.write_bytes(DATA)
    return path


def test_paths(path, monkeypatch):
    for source in (path, str(path), Path_like(str(path)), Path_like(os.fsencode(path))):
        assert snek.stations(source) == RESULT
    monkeypatch.chdir(path.parent)
    assert snek.stations(path.name) == RESULT
    (path.parent / "link").symlink_to(path)
    assert snek.stations("link", threads=3) == RESULT
    path.write_bytes(b"")
    assert snek.stations(path) == {}


def test_mapped_file(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        assert snek.stations(view) == RESULT


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: 5, TypeError, "not int$"),
        (lambda: None, TypeError, "not NoneType$"),
        (lambda: [DATA], TypeError, "not list$"),
        (lambda: 1.5, TypeError, "not float$"),
        (lambda: Path, TypeError, "not type$"),
        (lambda: open(os.devnull, "rb"), TypeError, "not _io.BufferedReader$"),
        (lambda: Path_like(5), TypeError, "int"),
        (lambda: Path_like(KeyError("no")), KeyError, "no"),
        (Refused, ZeroDivisionError, "__fspath__"),
        (lambda: "a\0b", ValueError, "null"),
        (lambda: "", FileNotFoundError, "No such file"),
        (lambda: "\ud800", UnicodeEncodeError, "surrogates"),
        (lambda: memoryview(DATA)[::2], BufferError, "contiguous"),
        (lambda: memoryview(DATA)[::-1], BufferError, "contiguous"),
    ],
    ids=range(14),
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sources_that_will_not_do(make, error, message):
    with pytest.raises(error, match=message) as caught:
        snek.stations(make())
    if message.endswith("$"):
        assert "source must be a path (str or os.PathLike) or a bytes-like object" in str(caught.value)


def test_arrays():
    """Of NumPy: in the order of C, whatever is in them, or a BufferError."""
    numpy = pytest.importorskip("numpy")
    data = numpy.frombuffer(DATA, numpy.uint8)
    assert snek.stations(data) == RESULT
    assert snek.stations(data[: len(data) // 8 * 8].view("datetime64[s]")[:0]) == {}
    for source in (numpy.repeat(data, 2)[::2], data[::-1], numpy.repeat(data, 2).reshape(-1, 2).T):
        with pytest.raises(BufferError, match=r"source must be C-contiguous; this numpy\.ndarray is not"):
            snek.stations(source)


def test_released_and_closed():
    view = memoryview(DATA)
    view.release()
    closed = mmap.mmap(-1, 10)
    closed.close()
    for source in (view, closed):
        with pytest.raises(ValueError, match=r"released|closed"):
            snek.stations(source)


def test_files_that_cannot_be_read(tmp_path):
    """Each an OSError with its errno and the path."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    cases = {
        tmp_path / "missing": errno.ENOENT,
        tmp_path: errno.EISDIR,
        tmp_path / "loop": errno.ELOOP,
        tmp_path / ("x" * 300): errno.ENAMETOOLONG,
    }
    if os.geteuid() != 0:
        (tmp_path / "secret").write_bytes(DATA)
        (tmp_path / "secret").chmod(0)
        cases[tmp_path / "secret"] = errno.EACCES
    for path, number in cases.items():
        for source in (path, str(path)):
            with pytest.raises(OSError, match=re.escape(os.strerror(number))) as caught:
                snek.stations(source)
            assert (caught.value.errno, caught.value.filename) == (number, str(path))


def other_files(folder: Path) -> dict[Path, str]:
    """Return what is no regular file, and how its message begins."""
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    files = {
        folder / "pipe": "A pipe is",
        folder / "link": "A pipe is",
        Path(os.devnull): "A character device (a terminal, /dev/null) is",
    }
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(folder):  # its path must be short
        server.bind("socket")
    files[folder / "socket"] = "A socket is"
    return files


def test_files_that_are_not_regular(tmp_path):
    """An OSError that says what they are, and what to do. A pipe that nobody writes to is not waited for."""
    for path, words in other_files(tmp_path).items():
        with pytest.raises(
            OSError, match=re.escape(f"{words} no regular file: read it to its end")
        ) as caught:
            snek.stations(path)
        assert (type(caught.value), caught.value.errno) == (OSError, errno.EINVAL)
        assert caught.value.filename == str(path)


def test_a_terminal():
    """By the name of the one that this opens."""
    pty = pytest.importorskip("pty")
    try:
        master, slave = pty.openpty()
    except OSError:
        pytest.skip("no terminals here")
    with pytest.raises(OSError, match="A character device"):
        snek.stations(os.ttyname(slave))
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize(
    "path", ["/proc/cpuinfo", "/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled"]
)
def test_files_whose_size_is_not_true(path):
    """0, or a page: neither nothing nor a beginning is taken for all there is."""
    if not os.path.isfile(path):
        pytest.skip(f"needs {path}")
    with pytest.raises(OSError, match="size is not that of its contents") as caught:
        snek.stations(path)
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, path)


def test_a_pipe_is_not_opened(tmp_path):
    """So who writes to it goes on waiting for somebody who reads."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: path.write_bytes(DATA))
    thread.start()
    time.sleep(0.1)
    with pytest.raises(OSError, match="A pipe is no regular file"):
        snek.stations(path)
    time.sleep(0.1)  # for the writer to notice, if there is anything
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    thread.join()
    assert os.read(reader, 1000) == DATA
    os.close(reader)


def test_threads_argument():
    for threads in (1, 2, 3, 1024, 0, True):
        assert snek.stations(DATA, threads=threads) == RESULT
    for threads, error in [
        (-1, ValueError),
        (1025, ValueError),
        (10**30, ValueError),
        (1.0, TypeError),
        ("2", TypeError),
    ]:
        with pytest.raises(error, match="threads must be"):
            snek.stations(DATA, threads=threads)


def test_arguments():
    assert snek.stations(source=DATA) == RESULT
    for args, kwargs, message in [
        ((), {}, "missing 1 required argument: 'source'"),
        ((DATA, 1), {}, r"takes at most 1 positional argument \(2 given\)"),
        ((DATA,), {"source": DATA}, "multiple values for argument 'source'"),
        ((DATA,), {"size": 3}, "unexpected keyword argument 'size'"),
    ]:
        with pytest.raises(TypeError, match=message):
            snek.stations(*args, **kwargs)


def test_a_conversion_that_takes_the_buffer_away():
    """Numbers are converted first: what __index__ does to the buffer, it does before anybody looks at it."""
    owner = bytearray(DATA)

    class Evil:
        def __index__(self):
            owner.clear()
            return 2

    assert snek.stations(owner, threads=Evil()) == {}


def test_the_buffer_is_let_go():
    for data in (DATA, b"a;1.0\nx\n"):
        owner = bytearray(data)
        outcome(snek.stations, owner)
        owner.append(1)  # impossible while it is exported


def test_the_buffer_cannot_be_taken_away_during_the_call():
    owner = bytearray(DATA * 500_000)
    refused = []

    def take_away():
        time.sleep(0.003)
        try:
            owner.append(10)
        except BufferError as error:
            refused.append(str(error))

    for _ in range(20):  # on a machine that is busy the other thread may come too late
        thread = threading.Thread(target=take_away)
        thread.start()
        try:
            snek.stations(owner, threads=1)
        except ValueError:
            pass
        thread.join()
        if owner[-2:] == b"\n\n":
            owner.pop()
        if refused:
            break
    assert refused


def test_data_that_change_during_the_call():
    """An answer to some mixture of what was there, or an error."""
    owner = bytearray(b"a;1.0\n" * 1_000_000)
    other = b"b;-2.5\n" * (len(owner) // 7)
    stop = threading.Event()

    def change():
        while not stop.is_set():
            owner[: len(other)] = other
            owner[:] = b"a;1.0\n" * 1_000_000

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for threads in (1, 2, 3) * 3:
            found = outcome(snek.stations, memoryview(owner), threads=threads)
            assert isinstance(found, str) or set("".join(found)) <= {"a", "b"}
    except BufferError:
        pass
    finally:
        stop.set()
        thread.join()


@needs_python_buffers
def test_buffers_made_in_python():
    log = []

    class Exporter:
        def __init__(self, answer):
            self.answer = answer

        def __buffer__(self, flags):
            if isinstance(self.answer, BaseException):
                raise self.answer
            return memoryview(self.answer)

        def __release_buffer__(self, view):
            log.append(view.nbytes)

    assert snek.stations(Exporter(DATA)) == RESULT
    with pytest.raises(ValueError, match="malformed line at byte 0"):
        snek.stations(Exporter(b"x"))
    assert log == [len(DATA), 1]
    for answer, error in [(5, TypeError), (KeyError(), KeyError)]:
        with pytest.raises(error):
            snek.stations(Exporter(answer))


# ---- against the twin ----

names = st.one_of(
    st.sampled_from(["a", "b", "Hamburg", "İzmir", "Las Palmas de Gran Canaria", "x" * 100]),
    st.text(st.characters(exclude_characters=";\n", exclude_categories=["Cs"]), min_size=1, max_size=25),
)
lines = st.builds(
    "{};{}{}{}".format,
    names,
    st.sampled_from(["", "", "-"]),
    st.builds("{}.{}".format, st.integers(0, 99), st.integers(0, 9)),
    st.sampled_from(["\n"] * 5 + ["\r\n"]),
)
texts = st.lists(lines, max_size=60).map(lambda parts: "".join(parts).encode())


@given(data=texts, last=st.booleans(), threads=st.integers(0, 4))
@examples(400)
def test_valid_data(data, last, threads):
    data = data if last else data.removesuffix(b"\n")
    assert isinstance(outcome(twins.stations, data), dict)
    agree(data, threads=threads)


@st.composite
def mutated(draw):
    """Valid data with a few bytes changed, taken out or put in."""
    data = bytearray(draw(texts))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 2))
        data[place : place + gone] = draw(
            st.one_of(
                st.sampled_from([b"", b";", b"\n", b"\r", b".", b"-", b"0", b"\xff", b"\0"]),
                st.binary(max_size=3),
            )
        )
    return bytes(data)


@given(data=st.one_of(mutated(), mutated(), st.binary(max_size=200)), threads=st.integers(0, 4))
@examples(1500)
def test_mutated_data(data, threads):
    agree(data, threads=threads)


def rows(number: int, names: list[str], seed: int) -> bytes:
    """Return lines of these names, in any order, of any temperature."""
    chance = random.Random(seed)
    return "".join(
        f"{chance.choice(names)};{chance.randrange(-999, 1000) / 10:.1f}\n" for _ in range(number)
    ).encode()


def many_names(number: int) -> list[str]:
    """Return different names of up to 100 bytes."""
    chance = random.Random(number)
    names = {
        "".join(chance.choices("bé☃", (1, 1, 4), k=chance.randint(1, 40))) + str(n) for n in range(number)
    }
    return sorted(name for name in names if len(name.encode()) <= 100)


@pytest.fixture(scope="module")
def large() -> bytes:
    """Several segments, and more than 10,000 names."""
    return rows(60_000, many_names(12_000), 1)


def test_ten_thousand_names(large, tmp_path):
    """The same whatever the number of threads is, from memory and from a file."""
    expected = twins.stations(large)
    assert len(expected) > 10_000
    assert len(large) > 5 * SEGMENT
    assert max(len(name.encode()) for name in expected) >= 95
    (tmp_path / "large").write_bytes(large)
    for threads in range(1, 9):
        for source in (large, tmp_path / "large"):
            found = snek.stations(source, threads=threads)
            assert list(found.items()) == list(expected.items())


def test_a_hundred_thousand_names():
    """More than there are slots at first."""
    data = b"".join(b"%d;1.5\n%d;-1.5\n" % (n, 99_999 - n) for n in range(100_000))
    found = snek.stations(data, threads=2)
    assert list(found) == sorted(map(str, range(100_000)))
    assert set(found.values()) == {(-1.5, 0.0, 1.5, 2)}


def test_the_first_malformed_line_is_blamed(large):
    """Whichever thread finds it, and however many others there are behind it."""
    chance = random.Random(2)
    starts = [0] + [k + 1 for k, byte in enumerate(large[:-1]) if byte == 10]
    for round in range(4 if QUICK else 12):
        data = bytearray(large)
        bad = sorted(chance.sample(starts, 1 + 30 * (round % 2)))
        for start in bad:
            data[data.index(b";", start) + 1] = ord("x")
        for threads in (1, 2, 3, 8):
            assert outcome(snek.stations, data, threads=threads) == f"malformed line at byte {bad[0]}"


def test_a_line_across_the_border_of_segments():
    """Every position of the border of two segments in a line, and in the line before and after it."""
    line, filler = b"Somewhere;-12.3\r\n", b"abcdefghij;1.0\n"
    for shift in range(2 * len(line) + 2):
        start = SEGMENT - len(line) - shift
        data = filler * (start // len(filler) - 1)
        data += b"x" * (start - len(data) - 5) + b";1.0\n" if start - len(data) <= 105 else b""
        assert len(data) == start
        data += line * 4 + b"z;-0.1"
        agree(data, threads=1 + shift % 3)


@pytest.mark.parametrize("length", [101, 107, 108, 109, 500, SEGMENT, 2 * SEGMENT + 9])
def test_a_line_that_is_too_long(length):
    """Blamed where it begins, be it in an earlier segment."""
    before = b"a;1.0\n" * (SEGMENT // 6)
    for line in (b"y" * length, b"y" * length + b";1.0", b"y" * length + b"\nz;1.0\n"):
        for threads in (1, 3):
            assert (
                outcome(snek.stations, before + line, threads=threads)
                == f"malformed line at byte {len(before)}"
            )


@pytest.mark.skipif(QUICK, reason="sanitizers change what costs what")
@pytest.mark.parametrize("threads", [0, 1])
def test_a_few_lines_cost_little(threads):
    """Compared with 234 KB of them: nobody looks at the files of the system for the number of threads."""
    few, many = b"Hamburg;12.3\n" * 9, b"Hamburg;12.3\n" * 18_000
    times = [
        min(timeit.repeat(lambda data=data: snek.stations(data, threads=threads), number=100, repeat=20))
        for data in (few, many)
    ]
    assert times[0] < times[1] / 40


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=9),
    st.lists(st.integers(), max_size=2),
)


@given(
    args=st.lists(st.one_of(anything, texts), max_size=2),
    kwargs=st.dictionaries(st.sampled_from(["source", "threads", "x"]), anything, max_size=2),
)
@examples(1000)
def test_hostile_calls(args, kwargs):
    """Every call gives a dict, or raises what the documentation says."""
    try:
        assert isinstance(snek.stations(*args, **kwargs), dict)
    except (TypeError, ValueError, OSError):
        pass
