"""The kernel of `snek.stations` without Python: every size of segment, sanitizers, other machines, planted defects."""

import platform
import random
import shutil
import subprocess
import sys
from pathlib import Path

import builds
import pytest
import twins

KERNELS = builds.CSRC / "kernels"
FILES = [
    builds.DRIVERS / "stations_driver.c",
    KERNELS / "stations.c",
    KERNELS / "pool.c",
    KERNELS / "cpus.c",
]
SOURCES = "kernels/stations*.[ch]"
THREAD = ["-fsanitize=thread", "-fno-omit-frame-pointer"]
ADDRESS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
PORTABLE = ["-DSTATIONS_PORTABLE"]
WRAPPED = ["malloc", "calloc", "realloc", "posix_memalign"]
FAILING = ["-DWRAP_ALLOCATIONS", *(f"-Wl,--wrap={name}" for name in WRAPPED)]


def expected(data: bytes) -> str:
    """Return what the driver has to print."""
    try:
        rows = twins.tenths(data).items()
    except twins.Malformed as error:
        return f"malformed at {error.args[0]}"
    return "".join(f"{name};{min(v)};{sum(v)};{max(v)};{len(v)}\n" for name, v in rows)


def random_data(chance: random.Random) -> bytes:
    """Return up to 30 lines, some with a defect."""
    names = [
        "a",
        "bc",
        "Hamburg",
        "İzmir",
        "fifteen bytes, ",
        "fifteen bytes, 1",
        "fifteen bytes, 2",
        "more than 16 bytes",
        "more than 16 bytez",
        "é" * 50,
    ]
    text = "".join(
        f"{chance.choice(names)};{chance.choice(['', '-'])}{chance.randrange(1000) / 10:.1f}"
        + chance.choice(["\n", "\n", "\n", "\r\n"])
        for _ in range(chance.randrange(30))
    )
    data = bytearray(text.encode())
    for _ in range(chance.choice([0, 0, 1, 2])):
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.randrange(3)] = chance.choice(
            [b"", b";", b"\n", b"x", b".", b"\xff", b"y" * 101]
        )
    return bytes(data)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> dict[Path, bytes]:
    """Files and what is in them."""
    chance = random.Random(3)
    contents = [
        b"",
        b"a;1.0",
        b"a;1.0\n\n",
        b"a;1.0\nb;2.0\r\nc;-3.0",
        b"x" * 250,
        b"a;1.0\n" + b"x" * 120 + b";1.0\n" + b"b;1.0\n" * 9,
        "".join(f"{'é' * (n % 50 + 1)}{'x' * (n % 2)};{n % 100}.{n % 10}\n" for n in range(99)).encode().replace(
            b"\xc3\xa9" * 50 + b"x", b"z"
        ),
        b"".join(b"%d;0.%d\n" % (n % 600, n % 10) for n in range(900)),
        b"a\xed\xa0\x80;1.0\n",
        b"b;1.0\n" * 20 + b"a\xed\xa0\x80;1.0\n" + b"b;1.0\n" * 20,
        b"a;:.0\n",
        *(random_data(chance) for _ in range(50)),
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("corpus")
    files = {folder / f"{number:03}": data for number, data in enumerate(contents)}
    for path, data in files.items():
        path.write_bytes(data)
    return files


def run(command: list, files: list[Path], **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [*map(str, command), *files],
        capture_output=True,
        timeout=240,
        env={"PATH": "/usr/bin:/bin", **variables},
    )
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def differs(outcome: tuple[int, str], corpus: dict[Path, bytes]) -> str | None:
    """Say where the driver's output is not what the twin says; None: nowhere."""
    status, output = outcome
    parts = output.split("---\n")
    for (path, data), part in zip(corpus.items(), parts, strict=False):
        wanted = expected(data)
        if not (part == wanted or (wanted.startswith("malformed") and part.startswith(f"{wanted}: "))):
            return f"{path}, {data!r}: {part} instead of {wanted}"
    return None if status == 0 and len(parts) == len(corpus) + 1 else f"status {status}\n{output[-3000:]}"


def build(name: str, *flags: str, cc: str = "", plant=None) -> Path:
    """Build the driver, or skip where the compiler has not got what the flags ask for."""
    cc = builds.compiler(cc)
    try:
        builds.program(
            f"probe-stations-{name}", [builds.DRIVERS / "nothing.c"],
            *(flag for flag in flags if not flag.startswith("-Wl,--wrap")), cc=cc,
        )  # fmt: skip
    except AssertionError:
        pytest.skip(f"{cc} has no {' '.join(flags)} here")
    return builds.program(f"stations-{name}", FILES, *flags, cc=cc, plant=plant)


BUILDS = {
    "gcc": ("gcc", ["-O3"]),
    "clang": ("clang", ["-O3"]),
    "portable": ("", ["-O3", *PORTABLE]),
    "asan": ("gcc", ADDRESS),
    "asan-clang": ("clang", ADDRESS),
    "asan-portable": ("", [*ADDRESS, *PORTABLE]),
    "tsan": ("gcc", THREAD),
    "tsan-clang": ("clang", THREAD),
}


@pytest.mark.parametrize("name", BUILDS)
def test_driver(name, corpus):
    """The same as the twin, for every segment and number of threads; no leak, no race, no byte read that isn't there."""
    cc, flags = BUILDS[name]
    program = build(name, *flags, cc=cc)
    # ThreadSanitizer is slow, and threads meet in any file
    files = dict(list(corpus.items())[: 20 if "tsan" in name else None])
    outcome = run([program], list(files), TSAN_OPTIONS="halt_on_error=1", ASAN_OPTIONS="detect_leaks=1")
    assert differs(outcome, files) is None


AARCH64 = ["aarch64-linux-gnu-gcc", "qemu-aarch64"]


@pytest.mark.parametrize("flags", [[], PORTABLE], ids=["neon", "portable"])
def test_on_aarch64(flags, corpus):
    """In an emulator, where there is one and a cross compiler."""
    if platform.machine() in ("aarch64", "arm64") or not all(map(shutil.which, AARCH64)):
        pytest.skip(f"needs {' and '.join(AARCH64)}, on another machine")
    program = builds.program(f"stations-aarch64{len(flags)}", FILES, "-O3", "-static", *flags, cc=AARCH64[0])
    files = dict(list(corpus.items())[:25])
    assert differs(run([shutil.which(AARCH64[1]), program], list(files)), files) is None


@pytest.fixture(scope="module")
def growing(tmp_path_factory) -> dict[Path, bytes]:
    """A file with so many names that all tables grow, and one with a malformed line."""
    folder = tmp_path_factory.mktemp("growing")
    rows = [b"%d;0.%d\n" % (n * 7 % 17_000, n % 10) for n in range(18_000)]
    files = {
        folder / "many": b"".join(rows),
        folder / "few": b"a;1.0\nb;2.0\n",
        folder / "bad": b"a;1.0\n" * 3000 + b"b\n" * 9000,
    }
    for path, data in files.items():
        path.write_bytes(data)
    return files


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a linker with --wrap")
def test_every_allocation_fails_once(growing):
    """It says so, and gives back what it had."""
    program = build("failing", *ADDRESS, *FAILING, cc="gcc")
    outcome = run([program, "--memory"], list(growing), ASAN_OPTIONS="detect_leaks=1")
    assert differs(outcome, growing) is None


COLLIDING = {
    "return self.low * UINT64_C(0x9e3779b97f4a7c15) + self.high * UINT64_C(0xd6e8feb86659fd93);": "return self.low * 0;"
}


def test_names_that_all_collide(corpus):
    """Right all the same. (Planted: who makes up such names has to try harder.)"""
    program = build("colliding", "-O2", plant={SOURCES: COLLIDING})
    assert differs(run([program], list(corpus)), corpus) is None


# What the checks above are for: each of these defects must be found.
DEFECTS = {
    "a line that begins at a border": ("start > 0 ? start - 1 : 0;", "start;"),
    "a line that ends in the next segment": ("(STATIONS_NAME_MAX + 8)", "(STATIONS_NAME_MAX - 50)"),
    "a border of thirds": ("in_second = next_line(begin + third, end);", "in_second = next_line(begin + third + 1, end);\n        in_second += in_second < end;"),
    "the last line's missing newline": ("        buffer[length] = '\\n';", "        buffer[length] = 0;"),
    "the padding": ("#define LINE_PADDING 128", "#define LINE_PADDING 1"),
    "a digit that is none": ("+ UINT64_C(0x0006000606)) | digits)", "+ UINT64_C(0x0000000000)) | digits)"),
    "a surrogate": ("most = 0x9f;", "most = 0xbf;"),
    "a short name of 15 bytes": ("length < 16 ? (unsigned)length + 1 : 16", "length < 15 ? (unsigned)length + 1 : 15"),
    "a table that loses names": ("        *slot = (uint32_t)k;", "        *slot = 1;"),
    "counts lost in merging": ("        into->count += from->count;\n", ""),
    "a smallest lost in merging": ("from->min < into->min ? from->min", "from->min > into->min ? from->min"),
    "the order": ("order < 0 || (order == 0 && self->length < other->length)", "order < 0"),
    "a later error preferred": ("one->offset < result->offset", "one->offset > result->offset"),
    "an error that is forgotten": ("        self->status = STATIONS_MALFORMED;\n", ""),
    "the first of two errors": ("    const uint8_t *line = begin, *next = begin;\n\n    while (", "    const uint8_t *line = begin, *next = begin;\n\n    self->reason = \"\";\n    while (0 &&"),
    "a leak of names": ("    free(self->names);\n", ""),
    "a leak of tallies": ("        tally_free(self->tallies[k]);\n    }\n", "        (void)k;\n    }\n"),
    "a failed allocation ignored": ("if (self->slots == NULL || self->entries == NULL", "if (self->entries == NULL"),
    "a failed growth ignored": ("    if (larger.slots == NULL) {", "    if (larger.slots == NULL && larger.shift > 64) {"),
    "a table shared by threads": ("self->tallies[index] = tally_new", "self->tallies[index / 2 * 2] = tally_new"),
    "a file's end ignored": ("bytes == 0 ? STATIONS_SHRUNK", "bytes == 1 ? STATIONS_SHRUNK"),
}  # fmt: skip


def with_defect(name: str) -> Path:
    if name in DEFECTS:
        plant = dict([DEFECTS[name]])
    else:  # the hash tells most names apart, so this takes names that collide
        plant = {**COLLIDING, "name_ends_equal(self->names": "true || name_ends_equal(self->names"}
    number = [*DEFECTS, name].index(name)
    return build(f"defect{number}", *ADDRESS, *FAILING, plant={SOURCES: plant})


@pytest.mark.mutant
@pytest.mark.parametrize("name", [*DEFECTS, "a long name by its start alone"])
def test_planted_defects_are_found(name, corpus, growing, defective):
    program = defective(name)
    some = dict(list(corpus.items())[:36])
    found = differs(run([program], list(some), ASAN_OPTIONS="detect_leaks=1"), some)
    if found is None:
        found = differs(run([program, "--memory"], list(growing), ASAN_OPTIONS="detect_leaks=1"), growing)
    assert found is not None
