"""The vector kernels of Mandelbrot in plain C: every kernel against the scalar one, under sanitizers, on another CPU."""

import platform
import re
import shutil
from pathlib import Path

import ahead
import builds
import pytest
from test_pool import ADDRESS, run, sanitized_program

import snek

DRIVER = builds.DRIVERS / "kernel_driver.c"
FILES = [
    DRIVER,
    *builds.sources("kernels/mandelbrot*.c", "kernels/pool.c", "kernels/cpus.c", "kernels/simd.c"),
]
CPUINFO = Path("/proc/cpuinfo")


def test_the_kernels_are_those_of_the_cpu():
    """What the system says of the CPU, by another way than ours."""
    vector = {"x86_64": set(), "aarch64": {"neon"}, "arm64": {"neon"}}.get(platform.machine(), set())
    if platform.machine() == "x86_64":
        if not CPUINFO.exists():
            pytest.skip("needs /proc/cpuinfo")
        flags = set(re.search(r"^flags\s*:(.*)", CPUINFO.read_text(), re.MULTILINE)[1].split())
        if {"avx2", "fma"} <= flags:
            vector.add("avx2")
        if {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx2", "fma"} <= flags:
            vector.add("avx512")
            if "AuthenticAMD" in CPUINFO.read_text():
                vector.add("zen4")
    assert set(snek.kernels()) == {"scalar", "shortcut", "portable", *vector}
    assert snek.kernels()[-1] != "shortcut"


@pytest.fixture(scope="module")
def with_asan(request):
    """Give the driver that a compiler has made for AddressSanitizer and UndefinedBehaviorSanitizer."""
    return ahead.outcomes(
        request,
        ["test_under_address_sanitizer"],
        "cc",
        lambda cc: sanitized_program(f"kernels-asan-{cc}", FILES, ADDRESS, cc),
    )


@pytest.mark.slow
@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_under_address_sanitizer(cc, with_asan):
    assert run(with_asan(cc)) == (0, "".join(f"{name}\n" for name in snek.kernels()))


def test_on_arm():
    """In an emulator, where there is one: the NEON kernel, and the portable one with another compiler's eyes."""
    cc, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64"
    if not shutil.which(cc) or not shutil.which(emulator):
        pytest.skip(f"needs {cc} and {emulator}")
    program = builds.program("kernels-arm", FILES, "-static", cc=cc)
    assert run(emulator, program) == (0, "scalar\nshortcut\nportable\nneon\n")


# What the driver is for: each of these defects must be found. They are in code that every kernel has, or in the one that
# runs on any CPU; so that one is all that is compiled.
DEFECTS = {
    "replays too short a block": (
        "vector.h",
        "BATCH) {\n            replay(self, &self->escaped, self->steps)",
        "BATCH) {\n            replay(self, &self->escaped, YOUNG)",
    ),
    "forgets the last that escaped": (
        "vector.h",
        "while (self.escaped.count > 0",
        "while (self.escaped.count >= BATCH",
    ),
    "replays with the new length": (
        "vector.h",
        "replay(self, &self->escaped, self->steps);\n        }\n        self->steps = steps;",
        "replay(self, &self->escaped, BLOCK_LEAST);\n        }\n        self->steps = steps;",
    ),
    "a point too many in a row": (
        "vector.h",
        "for (int l = 0; l < pixels; l++)",
        "for (int l = 0; l < LANES; l++)",
    ),
    "a narrow row that goes on": ("vector.h", "if (column == width) {", "if (column > width) {"),
    "a narrow strip that skips a point": (
        "vector.h",
        "tile->column = (tile->column + pixels) % width;",
        "tile->column = (tile->column + pixels + 1) % width;",
    ),
    "lanes beyond the row": (
        "vector.h",
        "unsigned stay = first_lanes(pixels) & ~used_up",
        "unsigned stay = ALL_LANES & ~used_up",
    ),
    "stops while lanes are busy": (
        "vector.h",
        "            any |= busy[k];\n        }\n        adapt",
        "            any = busy[k];\n        }\n        adapt",
    ),
    "stops while points are inside": (
        "vector.h",
        "                any |= in[k];",
        "                any = in[k];",
    ),
    "a young one stays for ever": (
        "vector.h",
        "points_add(waiting, &g[k], present & stay)",
        "points_add(waiting, &g[k], present)",
    ),
    "tests only the real part": (
        "vector.h",
        "at_most(fused(zr, zr, zi * zi)",
        "at_most(fused(zr, zr, zr * zi)",
    ),
    "too large a disc": ("vector.h", "vector_of(0.0625)", "vector_of(0.08)"),
    "too large a cardioid": ("vector.h", "0.25 * ci * ci)", "0.27 * ci * ci)"),
    "goes round without returning": (
        "vector.h",
        "equal(zr, g->zr) & equal(zi, g->zi)",
        "at_most(zr, g->zr) & at_most(zi, g->zi)",
    ),
    "goes on after a stop": ("vector.h", "    if (self->stopped) {\n        return false;\n    }\n", ""),
    "another orbit when it is replayed": (
        "vector.h",
        "for (int s = 0; s < steps; s += TURN)",
        "for (int s = TURN; s < steps; s += TURN)",
    ),
    "packs the wrong lane": ("pairs.h", "v[0] = v[1];", "v[1] = v[0];"),
    "unpacks one for both": ("pairs.h", "v[0] = *next++;", "v[0] = *next;"),
    "a column starts where the last one ended": ("vector.h", "        tile->row = self->row;\n", ""),
}


def with_defect(name):
    file, good, bad = DEFECTS[name]
    plant = {**builds.PORTABLE_ONLY, f"kernels/mandelbrot_{file}": {good: bad}}
    return sanitized_program(
        f"kernels-defect{list(DEFECTS).index(name)}", FILES, [*ADDRESS, "-O0"], builds.compiler(), plant
    )


@pytest.mark.mutant
@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defects_are_found(name, defective):
    status, _ = run(defective(name))
    assert status != 0
