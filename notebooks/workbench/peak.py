"""The limits of this computer, measured by `peak` with the C program `probe.c`."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.compile import cc
from workbench.cores import cpus
from workbench.machine import machine
from workbench.show import Shown, markdown_table, plain_table, si


@dataclass(frozen=True)
class Peak(Shown):
    """What `peak()` measured, per second: double-precision FLOP (an FMA counts as two) and bytes read."""

    simd: str  # the instruction set of the vector tests: "avx512", "avx2", "sse2", "neon" or "plain"
    cores: int  # how many took part in the `_all` tests
    clock: float  # cycles per second of one busy core
    flops_scalar: float  # one core, one number at a time
    flops: float  # one core, widest vectors
    flops_all: float  # all usable cores at once; never less than one core
    bandwidth: float  # one core, main memory
    bandwidth_all: float
    bandwidth_l1: float  # one core, first-level cache
    bandwidth_l2: float
    cores_free: float  # how many cores' time the threads of `flops_all` had in their best run

    @property
    def disturbed(self) -> str:
        """Why the figures for all cores are too low to be ceilings; "" where they are none the worse for others."""
        if self.cores_free >= 0.9 * self.cores:
            return ""
        return f"only {self.cores_free:.1f} of {self.cores} cores were free"

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
        every += f" ({self.disturbed})" if self.disturbed else ""
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

    For the limits of all cores, one thread is pinned to each, where the system can (Linux); their rates are added up over
    the time in which all of them work. The best of 15 runs counts, 3 ms each: beside other programs, one that meets all
    cores between their turns. Where none does, the limit is too low: `cores_free` tells how many cores' time the
    threads had in the best run, and `disturbed` what to say of it. A container's quota works by the period, of 100 ms as a
    rule, and the runs are shorter, so they measure what that many cores do until the quota is used up, which is still
    a ceiling. Over a longer time, no program gets more than quota / cores of it.

    To recompute it on another chip: `peak().flops / peak().clock` is the measured FLOP per cycle. The data sheet's is
    FMA units x doubles per vector x 2. Both belong to the clock that the core really ran at, which the probe measures,
    not to the one in its name.

    Raises `CompileError` without a working C compiler, RuntimeError when the probe fails or its numbers can't be true.
    """
    program = cc(
        Path(__file__).with_name("probe.c"), kind="executable", flags="-std=c11 -pthread", show=False
    )
    found = machine()
    last_cache = max(found.caches.values(), default=32 << 20)
    buffer = min(max(4 * last_cache, 64 << 20), 512 << 20, (found.memory or 4 << 30) // 8)
    where = map(str, cpus()[: found.usable_cores])
    command = [str(program), str(found.usable_cores), str(buffer), "widest", *where]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if ran.returncode:
        raise RuntimeError(f"the probe failed: {ran.stderr.strip() or f'exit status {ran.returncode}'}")
    return _sane(_parsed(ran.stdout, found.usable_cores))


def _parsed(output: str, usable: int) -> Peak:
    values: dict[str, Any] = dict(line.split() for line in output.splitlines())
    simd = values.pop("simd")
    values = {name: float(value) for name, value in values.items()}
    for name in ("flops", "bandwidth"):  # all cores can do what one does: the others need not take part
        values[f"{name}_all"] = max(values[f"{name}_all"], values[name])
    return Peak(simd=simd, cores=usable, **values)


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
