"""This computer, described by `machine`.

Needs nothing but the standard library, and never fails: what can't be found out is None, shown as "unknown".
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass

from workbench import cores
from workbench.compiler import Compiler, find_compiler
from workbench.cores import cpu_quota, quietly, usable_cores
from workbench.show import Shown, markdown_table, plain_table, three_digits

__all__ = ["Machine", "machine"]

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


def _binary(size: int) -> str:
    """Bytes in the unit memory is sold in: "32 KiB", "23.5 GiB"."""
    power = max(0, min(4, (size.bit_length() - 1) // 10))
    return f"{three_digits(size / 1024**power).removesuffix('.0').removesuffix('.00')} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}"


def _or_unknown(value: object) -> str:
    return "unknown" if value is None else str(value)
