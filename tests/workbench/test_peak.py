"""workbench.peak: a probe that measures what is there, on every core; ceilings that say when they are none."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import peak as peak_module
from workbench.compiler import find_compiler
from workbench.cores import cpus
from workbench.peak import peak

PROBE = Path(__file__).parents[2] / "notebooks" / "workbench" / "probe.c"

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C compiler")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_probe_compiles_without_a_warning(compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    flags = "-std=c11 -O3 -Wall -Wextra -Wshadow -Wconversion -Werror -pthread".split()
    subprocess.run([compiler, *flags, str(PROBE), "-o", str(tmp_path / "probe")], check=True)


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    program = tmp_path_factory.mktemp("probe") / "probe"
    command = [*find_compiler().command, "-std=c11", "-O3", "-pthread", str(PROBE), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


@needs_compiler
@pytest.mark.parametrize("isa", ["avx512", "avx2", "sse2", "neon", "plain"])
def test_every_instruction_set_measures_what_is_possible(probe, isa):
    ran = subprocess.run([probe, "2", str(64 << 20), isa], capture_output=True, text=True)
    if ran.returncode == 2:
        pytest.skip(f"not on this processor: {isa}")
    found = peak_module._sane(peak_module._parsed(ran.stdout, 2))
    lanes = {"avx512": 8, "avx2": 4, "sse2": 2, "neon": 2, "plain": 1}[isa]
    assert found.flops > 0.6 * min(lanes, 4) * 0.5 * found.flops_scalar


@needs_compiler
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["0", "1000000"],
        ["2", "100"],
        ["-1", "1000000"],
        ["1", "1000000", "mmx"],
        ["1", "1000000", "widest", "x"],
        ["1", "1000000", "widest", "-1"],
    ],
)
def test_the_probe_refuses_wrong_arguments(probe, arguments):
    ran = subprocess.run([probe, *arguments], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.startswith("usage: probe")


@needs_compiler
def test_the_probe_says_when_memory_is_short(probe):
    limited = f"ulimit -v 200000; exec '{probe}' 2 {1 << 30}"
    ran = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "no memory" in ran.stderr


@pytest.fixture
def busy_loops():
    """A process that never rests, pinned to each of two CPUs."""
    loop = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nprint(flush=True)\nwhile True: pass"
    command = [sys.executable, "-S", "-c", loop]
    loops = [subprocess.Popen([*command, str(cpu)], stdout=subprocess.PIPE) for cpu in cpus()[:2]]
    for each in loops:
        each.stdout.readline()
    yield
    for each in loops:
        each.kill()
        each.wait()
        each.stdout.close()


def probed(probe, *arguments):
    ran = subprocess.run([probe, *map(str, arguments)], capture_output=True, text=True, check=True)
    return dict(line.split() for line in ran.stdout.splitlines())


needs_two_cpus = pytest.mark.skipif(len(cpus()) < 2, reason="needs two CPUs that threads can be pinned to")


@needs_compiler
@needs_two_cpus
def test_threads_run_where_they_are_pinned(probe):
    """Where two threads run, told by what they reach: on one CPU the same as one thread, on two as much as is free."""
    one, other = cpus()[:2]
    for _ in range(5):  # other programs may take a core away
        together = probed(probe, 2, 64 << 20, "widest", one, one)
        apart = probed(probe, 2, 64 << 20, "widest", one, other)
        assert float(together["cores_free"]) < 1.2
        assert float(together["flops_all"]) < 1.2 * float(together["flops"])
        if float(apart["cores_free"]) > 1.8:
            assert float(apart["flops_all"]) > 1.6 * float(apart["flops"])
            break
    else:
        pytest.skip("no two free cores in five tries")


@needs_compiler
@needs_two_cpus
def test_beside_busy_loops_the_limit_goes_with_the_cores_that_the_threads_had(probe, busy_loops):
    """One run in fifteen may meet both cores between two turns of the loops. Else the limit is lower, and it's told."""
    found = [probed(probe, 2, 64 << 20, "widest", *cpus()[:2]) for _ in range(5)]
    one = max(float(values["flops"]) for values in found)  # the loops may slow down any of them
    gains = [float(values["flops_all"]) / float(values["cores_free"]) / one for values in found]
    assert 0.5 < statistics.median(gains) < 1.5


@needs_compiler
def test_peak_pins_one_thread_to_each_core(monkeypatch):
    commands, run = [], subprocess.run

    def noted(command, *args, **kwargs):
        commands.append(command)
        return run(command, *args, **kwargs)

    monkeypatch.setattr(peak_module.subprocess, "run", noted)
    found = peak.__wrapped__()
    *_, isa = commands[-1][:4]
    assert isa == "widest"
    assert commands[-1][4:] == [str(cpu) for cpu in cpus()[: found.cores]]


LINES = """simd avx2
clock 3e9
flops_scalar 6e9
flops 4.8e10
flops_all {flops_all}
bandwidth_l1 2e11
bandwidth_l2 1e11
bandwidth 2e10
bandwidth_all {bandwidth_all}
cores_free {free}
"""


def test_all_cores_are_never_shown_below_one():
    found = peak_module._parsed(LINES.format(flops_all=4.7e10, bandwidth_all=1.9e10, free=1), 2)
    assert (found.flops_all, found.bandwidth_all) == (found.flops, found.bandwidth)
    found = peak_module._parsed(LINES.format(flops_all=9.5e10, bandwidth_all=3e10, free=1.98), 2)
    assert (found.flops_all, found.bandwidth_all) == (9.5e10, 3e10)


def test_a_limit_measured_beside_others_says_so():
    found = peak_module._parsed(LINES.format(flops_all=5e10, bandwidth_all=2e10, free=1.04), 2)
    assert found.disturbed == "only 1.0 of 2 cores were free"
    assert "2 cores at once (only 1.0 of 2 cores were free)" in str(found)
    idle = dataclasses.replace(found, cores_free=1.97)
    assert idle.disturbed == ""
    assert "free" not in str(idle)


@needs_compiler
def test_peak_is_sane_cached_and_displayed():
    found = peak()
    assert peak() is found
    assert found.bandwidth_l1 > found.bandwidth
    assert found.bandwidth_cache == found.bandwidth_l1
    if found.simd != "plain":
        assert found.flops > 1.2 * found.flops_scalar
    bundle = found._repr_mimebundle_()
    assert "FLOP/s" in bundle["text/markdown"]
    assert "GB/s" in bundle["text/plain"]


@needs_compiler
def test_numbers_that_no_machine_reaches_are_refused():
    found = peak()
    for name, factor in [
        ("flops", 20),
        ("flops_scalar", 20),
        ("bandwidth", 1000),
        ("clock", 100),
        ("flops_all", 0),
    ]:
        with pytest.raises(RuntimeError, match="no machine can do"):
            peak_module._sane(dataclasses.replace(found, **{name: getattr(found, name) * factor}))
