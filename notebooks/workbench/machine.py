"""This computer: described by `machine`, measured by `peak`.

`machine` needs nothing but the standard library, and never fails: what can't be found out is None, shown as "unknown".
"""

from __future__ import annotations

import functools
import importlib.util
import multiprocessing
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import cores
from workbench.cores import cpu_quota, quietly, usable_cores
from workbench.show import Shown, markdown_table, plain_table, si, three_digits

__all__ = ["Compiler", "Machine", "Peak", "find_compiler", "machine", "peak", "usable_cores"]

# CPU flags that say how many numbers one instruction handles, by the names people use. The rest of the list is noise.
SIMD_NAMES = {
    "sse2": "SSE2",
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512F",
    "asimd": "NEON",
    "sve": "SVE",
}


@dataclass(frozen=True)
class Compiler:
    """A C compiler: the words that call it, what it is ("gcc", "clang", "zig cc"), and its version."""

    command: list[str]
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True)
class Machine(Shown):
    """What `machine()` found; None stands for unknown. Sizes in bytes; `quota` in cores, None also for "no limit"."""

    implementation: str
    version: str
    build: str  # "default" or "free-threaded"
    gil: bool  # enabled now?
    jit: str  # "none" (not built in), "off" or "on"
    start_method: str | None  # of multiprocessing
    cpu: str | None
    physical_cores: int | None
    logical_cores: int | None
    usable_cores: int  # by this process: affinity and quota
    quota: float | None
    caches: dict[str, int]  # "L1d", "L1i", "L2", "L3": one instance of each, as the first core sees them
    simd: list[str]
    memory: int | None  # what this process may use of it
    compiler: Compiler | None
    system: str | None

    @property
    def hardware(self) -> str:
        """Processor and usable cores, in one line."""
        usable = f"{self.usable_cores} core{'' if self.usable_cores == 1 else 's'}"
        return f"{self.cpu or platform.machine()}, {usable}"

    @property
    def caption(self) -> str:
        """One line for figures: processor, usable cores, Python."""
        build = " free-threaded" if self.build == "free-threaded" else ""
        return f"{self.hardware}, {self.implementation} {self.version}{build}"

    def _rows(self) -> list[tuple[str, str]]:
        quota = f", quota of {self.quota:.3g} cores" if self.quota is not None else ""
        known = f"{_or_unknown(self.physical_cores)} physical, {_or_unknown(self.logical_cores)} logical"
        gil = "on" if self.gil else "off"
        return [
            (
                "Python",
                f"{self.implementation} {self.version}, {self.build} build, GIL {gil}, JIT {self.jit}",
            ),
            ("new processes", _or_unknown(self.start_method)),
            ("processor", _or_unknown(self.cpu)),
            ("cores", f"{known}; usable here: {self.usable_cores}{quota}"),
            (
                "caches",
                ", ".join(f"{name} {_binary(size)}" for name, size in self.caches.items()) or "unknown",
            ),
            ("SIMD", ", ".join(self.simd) or "unknown"),
            ("memory", "unknown" if self.memory is None else _binary(self.memory)),
            ("C compiler", "none found" if self.compiler is None else str(self.compiler)),
            ("system", _or_unknown(self.system)),
        ]

    def _markdown(self) -> str:
        return markdown_table(["", "this machine"], self._rows(), [False, False])

    def _plain(self) -> str:
        return plain_table(["", "this machine"], self._rows(), [False, False])


def machine() -> Machine:
    """Describe the interpreter that runs and the computer under it. Never raises."""
    return Machine(
        implementation=platform.python_implementation(),
        version=platform.python_version(),
        build="free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "default",
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
        jit=_jit(),
        # The first of these is the default. Asking for *the* start method would fix it, as a side effect.
        start_method=quietly(
            lambda: (
                multiprocessing.get_start_method(allow_none=True)
                or multiprocessing.get_all_start_methods()[0]
            )
        ),
        cpu=quietly(_cpu_name),
        physical_cores=quietly(_physical_cores),
        logical_cores=os.cpu_count(),
        usable_cores=usable_cores(),
        quota=cpu_quota(),
        caches=quietly(_caches) or {},
        simd=quietly(_simd) or [],
        memory=quietly(_memory),
        compiler=quietly(find_compiler),
        system=quietly(_system),
    )


def find_compiler() -> Compiler | None:
    """The C compiler to use: $CC, cc, gcc, clang, the one in the `ziglang` package; the first that answers."""
    commands = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    if quietly(lambda: importlib.util.find_spec("ziglang")):
        # Left alone, zig compiles for this very processor, and without -O puts in checks that end the process.
        commands.append([sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-fno-sanitize=undefined"])
    for command in commands:
        program = shutil.which(command[0]) if command else None
        if program is None or _is_stub(program):
            continue
        try:
            asked = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue
        if asked.returncode == 0:
            return _identify(command, asked.stdout)
    return None


def _is_stub(program: str) -> bool:
    """Without Apple's command line tools, /usr/bin/cc on macOS only opens a window that offers to install them."""
    if sys.platform != "darwin" or not program.startswith("/usr/bin/"):
        return False
    return subprocess.run(["xcode-select", "-p"], capture_output=True).returncode != 0


def _identify(command: list[str], answer: str) -> Compiler:
    first = answer.partition("\n")[0]
    name = next((known for known in ("clang", "gcc") if known in answer.lower()), Path(command[0]).name)
    if name == Path(command[0]).name == "cc" or "Free Software Foundation" in answer:
        name = "gcc" if "Free Software Foundation" in answer else name
    version = re.search(r"version (\d[\w.]*)", first) or re.search(r"\) (\d+\.\d[\w.]*)", first)
    return Compiler(command, "zig cc" if "ziglang" in command else name, version[1] if version else "")


# ---- what machine() asks, one function a question ----


def _jit() -> str:
    if platform.python_implementation() == "PyPy":
        return "on"
    jit = getattr(sys, "_jit", None)  # 3.14 and newer
    if jit is None or not jit.is_available():
        return "none"
    return "on" if jit.is_enabled() else "off"


def _cpu_name() -> str | None:
    name = _sysctl("machdep.cpu.brand_string") or _cpuinfo().get("model name") or platform.processor()
    name = re.sub(r"\((R|TM|tm|r)\)|\bCPU\b|\bProcessor\b|@.*", " ", name)
    return " ".join(name.split()) or None


def _physical_cores() -> int | None:
    if number := _sysctl("hw.physicalcpu"):
        return int(number)
    # Logical cores that share a physical one list the same siblings.
    siblings = (cores.ROOT / "sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    return len({path.read_text() for path in siblings}) or None


def _caches() -> dict[str, int]:
    names = {
        "L1d": "hw.l1dcachesize",
        "L1i": "hw.l1icachesize",
        "L2": "hw.l2cachesize",
        "L3": "hw.l3cachesize",
    }
    found = {name: int(size) for name, key in names.items() if (size := _sysctl(key))}
    for index in sorted((cores.ROOT / "sys/devices/system/cpu/cpu0/cache").glob("index[0-9]*")):
        level, kind, size = ((index / file).read_text().strip() for file in ("level", "type", "size"))
        suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
        found[f"L{level}{suffix}"] = int(size.rstrip("KM")) << (20 if size.endswith("M") else 10)
    return found


def _simd() -> list[str]:
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    if sys.platform == "darwin":
        flags |= {"asimd"} if platform.machine() == "arm64" else set()
        answer = f"{_sysctl('machdep.cpu.features')} {_sysctl('machdep.cpu.leaf7_features')}"
        flags |= set(answer.lower().replace("avx1.0", "avx").split())
    return [name for flag, name in SIMD_NAMES.items() if flag in flags]


def _memory() -> int | None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [*cores.cgroup("memory", ["memory.max"]), *cores.cgroup("memory", ["memory.limit_in_bytes"])]
    return min([total, *(int(limit) for limit in limits if limit.strip().isdigit())])


def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}, {platform.machine()}"
    return f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}"


def _cpuinfo() -> dict[str, str]:
    """The entries of the first core in Linux's /proc/cpuinfo; empty elsewhere."""
    text = quietly(lambda: (cores.ROOT / "proc/cpuinfo").read_text()) or ""
    entries = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in entries}


@functools.lru_cache
def _sysctl(key: str) -> str:
    """What macOS answers to `sysctl -n key`; "" elsewhere, and where it doesn't know the key."""
    if sys.platform != "darwin":
        return ""
    asked = quietly(lambda: subprocess.run(["sysctl", "-n", key], capture_output=True, text=True, timeout=5))
    return asked.stdout.strip() if asked is not None and asked.returncode == 0 else ""


# ---- the limits, measured ----


@dataclass(frozen=True)
class Peak(Shown):
    """What `peak()` measured, per second: double-precision FLOP (an FMA counts as two) and bytes read."""

    simd: str  # the instruction set of the vector tests: "avx512", "avx2", "sse2", "neon" or "plain"
    cores: int  # how many took part in the `_all` tests
    clock: float  # cycles per second of one busy core
    flops_scalar: float  # one core, one number at a time
    flops: float  # one core, widest vectors
    flops_all: float  # all usable cores at once
    bandwidth: float  # one core, main memory
    bandwidth_all: float
    bandwidth_l1: float  # one core, first-level cache
    bandwidth_l2: float

    @property
    def bandwidth_cache(self) -> float:
        """One core reading its first-level cache."""
        return self.bandwidth_l1

    def _table(self) -> tuple[list[str], list[list[str]], list[bool]]:
        rows = [
            [f"compute, {self.simd} vectors", si(self.flops, "FLOP/s"), si(self.flops_all, "FLOP/s")],
            ["compute, one number at a time", si(self.flops_scalar, "FLOP/s"), ""],
            ["read main memory", si(self.bandwidth, "B/s"), si(self.bandwidth_all, "B/s")],
            ["read level 2 cache", si(self.bandwidth_l2, "B/s"), ""],
            ["read level 1 cache", si(self.bandwidth_l1, "B/s"), ""],
            ["clock", si(self.clock, "Hz"), ""],
        ]
        every = f"{self.cores} cores at once" if self.cores > 1 else "all 1 core"
        return ["limit (double precision)", "one core", every], rows, [False, True, True]

    def _markdown(self) -> str:
        return markdown_table(*self._table())

    def _plain(self) -> str:
        return plain_table(*self._table())


@functools.lru_cache(maxsize=1)
def peak() -> Peak:
    """Measure the limits of this machine with `probe.c`: a second or so, once per process.

    How far from the data sheet? A Zen 4 core finishes two 256-bit FMAs a cycle, 16 double-precision FLOP (its 512-bit
    instructions take two turns), and loads 64 bytes a cycle from its first-level cache, 32 from its second. Measured
    on a 2-core EPYC (Zen 4) virtual machine at 3.7 GHz: 99 % or more of the FLOP, on one core and on both, 94 % of
    the first cache, all of the second. Main memory can't be compared there: other tenants share it, and the figure
    for both cores doubled from one run to the next.

    To recompute it on another chip: `peak().flops / peak().clock` is the measured FLOP per cycle. The data sheet's is
    FMA units x doubles per vector x 2. Both belong to the clock that the core really ran at, which the probe measures,
    not to the one in its name.

    Raises `CompileError` without a working C compiler, RuntimeError when the probe fails or its numbers can't be true.
    """
    from workbench.compile import cc

    program = cc(
        Path(__file__).with_name("probe.c"), kind="executable", flags="-std=c11 -pthread", show=False
    )
    found = machine()
    last_cache = max(found.caches.values(), default=32 << 20)
    buffer = min(max(4 * last_cache, 64 << 20), 512 << 20, (found.memory or 4 << 30) // 8)
    command = [str(program), str(found.usable_cores), str(buffer)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if ran.returncode:
        raise RuntimeError(f"the probe failed: {ran.stderr.strip() or f'exit status {ran.returncode}'}")
    return _sane(_parsed(ran.stdout, found.usable_cores))


def _parsed(output: str, usable: int) -> Peak:
    values: dict[str, Any] = dict(line.split() for line in output.splitlines())
    simd = values.pop("simd")
    return Peak(simd=simd, cores=usable, **{name: float(value) for name, value in values.items()})


def _sane(peak: Peak) -> Peak:
    """The same, unless it breaks the laws of hardware: then the optimiser has deleted a test, or the clock is broken."""
    lanes = {"avx512": 8, "avx2": 4, "sse2": 2, "neon": 2, "plain": 1}[peak.simd]
    most_per_cycle = 4 * 2 * lanes  # no core has more than four FMA units
    possible = (
        1e8 < peak.clock < 1e10
        and 0 < peak.flops_scalar < 1.1 * peak.clock * 8
        and 0.5 * peak.flops_scalar < peak.flops < 1.1 * peak.clock * most_per_cycle
        and 0 < peak.flops_all < 1.5 * peak.cores * peak.flops
        and 0 < peak.bandwidth < 1.5 * peak.bandwidth_l1 < peak.clock * 512
    )
    if not possible:
        raise RuntimeError(f"the probe measured what no machine can do: {peak}")
    return peak


def _binary(size: int) -> str:
    """Bytes in the unit memory is sold in: "32 KiB", "23.5 GiB"."""
    power = max(0, min(4, (size.bit_length() - 1) // 10))
    return f"{three_digits(size / 1024**power).removesuffix('.0').removesuffix('.00')} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}"


def _or_unknown(value: object) -> str:
    return "unknown" if value is None else str(value)
