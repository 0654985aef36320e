"""workbench.machine: right on made-up systems, never failing on broken ones; and a probe that measures what is there."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import cores
from workbench import machine as machine_module
from workbench.machine import find_compiler, machine, peak, usable_cores

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PROBE = NOTEBOOKS / "workbench" / "probe.c"


@pytest.fixture
def system(monkeypatch, tmp_path):
    """Write files of a made-up /proc and /sys; four cores in the affinity mask."""
    monkeypatch.setattr(cores, "ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(machine_module, "_sysctl", lambda key: "")
    monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


# ---- how many cores ----

V2 = {"proc/self/cgroup": "0::/user/job\n"}
V1 = {"proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/job\n"}


@pytest.mark.parametrize(
    ("files", "quota", "usable"),
    [
        ({}, None, 4),
        ({**V2, "sys/fs/cgroup/user/job/cpu.max": "max 100000\n"}, None, 4),
        ({**V2, "sys/fs/cgroup/user/job/cpu.max": "150000 100000\n"}, 1.5, 2),
        # a limit on the group around it, tighter than its own
        (
            {
                **V2,
                "sys/fs/cgroup/user/job/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/user/cpu.max": "50000 100000\n",
            },
            0.5,
            1,
        ),
        # in a container the path may be the host's; the mount's top is the container's own group
        ({"proc/self/cgroup": "0::/docker/0123\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2.0, 2),
        # version 2 beside version 1
        ({**V2, "sys/fs/cgroup/unified/user/job/cpu.max": "100000 100000\n"}, 1.0, 1),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            2.5,
            3,
        ),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            None,
            4,
        ),
        ({**V2, "sys/fs/cgroup/user/job/cpu.max": "800000 100000\n"}, 8.0, 4),
        ({**V2, "sys/fs/cgroup/user/job/cpu.max": "rubbish\n"}, None, 4),
        ({"proc/self/cgroup": "rubbish\n"}, None, 4),
    ],
)
def test_quota_and_affinity(system, files, quota, usable):
    system(files)
    assert cores.cpu_quota() == quota
    assert usable_cores() == usable


def test_physical_cores_caches_simd_and_memory_limit(system):
    files = {
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/job/memory.max": "1073741824\n",
        "proc/cpuinfo": "processor : 0\nmodel name : Intel(R) Xeon(R) CPU E5 @ 2.20GHz\nflags : sse2 avx fma mmx\n\n"
        "processor : 1\nflags : avx512f\n",
    }
    for core, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        files[f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"] = siblings
    for i, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("3", "Unified", "30M")]
    ):
        folder = f"sys/devices/system/cpu/cpu0/cache/index{i}"
        files |= {f"{folder}/level": level, f"{folder}/type": kind, f"{folder}/size": size}
    system(files)
    found = machine()
    assert found.physical_cores == 2
    assert found.caches == {"L1d": 48 << 10, "L1i": 32 << 10, "L3": 30 << 20}
    assert found.simd == ["SSE2", "AVX", "FMA"]
    assert found.cpu == "Intel Xeon E5"
    assert found.memory == 1 << 30
    assert "2 physical" in str(found)
    assert "1 GiB" in str(found)


def test_macos(system, monkeypatch):
    answers = {"hw.physicalcpu": "8", "hw.l1dcachesize": "65536", "machdep.cpu.brand_string": "Apple M4"}
    monkeypatch.setattr(machine_module, "_sysctl", lambda key: answers.get(key, ""))
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    found = machine()
    assert (found.cpu, found.physical_cores, found.simd) == ("Apple M4", 8, ["NEON"])
    assert found.caches == {"L1d": 65536}
    assert found.system.startswith("macOS")


def test_what_is_unknown_is_none_and_shown_so(system, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError("no such thing here")

    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "")
    monkeypatch.setattr("importlib.util.find_spec", broken)
    for name in ("os.sysconf", "os.sched_getaffinity", "platform.processor", "platform.release"):
        monkeypatch.setattr(name, broken, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    found = machine()
    unknown = (
        found.cpu,
        found.physical_cores,
        found.logical_cores,
        found.memory,
        found.compiler,
        found.system,
    )
    assert unknown == (None,) * 6
    assert (found.usable_cores, found.caches, found.simd) == (1, {}, [])
    assert "unknown physical, unknown logical" in str(found)
    assert "none found" in str(found)


# ---- this machine ----


def test_this_machine():
    found = machine()
    assert (
        found.version == ".".join(map(str, sys.version_info[:3])) or sys.version_info.releaselevel != "final"
    )
    assert found.gil is getattr(sys, "_is_gil_enabled", lambda: True)()
    assert 1 <= found.usable_cores <= found.logical_cores
    assert found.jit in ("none", "off", "on")
    assert found.caption.count("\n") == 0
    assert f"{found.implementation} {found.version}" in found.caption
    bundle = found._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/markdown"}
    for text in (*bundle.values(), found.caption):
        assert not re.search(r"(?<!\w)/(home|root|usr|tmp|work|opt|Users|var)/", text), text


def test_the_start_method_is_told_without_being_fixed():
    program = (
        "import multiprocessing; from workbench.machine import machine; told = machine().start_method\n"
        "assert multiprocessing.get_start_method(allow_none=True) is None, 'machine() has fixed it'\n"
        "assert told == multiprocessing.get_start_method(), told\n"
        "multiprocessing.set_start_method('spawn', force=True); assert machine().start_method == 'spawn'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=NOTEBOOKS)


# ---- compilers ----


def fake_compiler(folder, name, answer, status=0):
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    script.chmod(0o755)


def test_the_first_compiler_that_answers_is_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_compiler(tmp_path, "cc", "xcode-select: no developer tools were found", 1)
    fake_compiler(tmp_path, "clang", "Apple clang version 15.0.0 (clang-1500.3.9.4)")
    found = find_compiler()
    assert (found.command, found.name, found.version) == (["clang"], "clang", "15.0.0")
    fake_compiler(tmp_path, "gcc", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nFree Software Foundation, Inc.")
    assert str(find_compiler()) == "gcc 12.2.0"
    fake_compiler(tmp_path, "mycc", "My C 3.1")
    monkeypatch.setenv("CC", "mycc -m64")
    assert find_compiler().command == ["mycc", "-m64"]


def test_no_compiler_is_none_and_zig_steps_in(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "missing-compiler")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_compiler() is None
    fake_compiler(tmp_path, "python", "clang version 21.1.0")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    found = find_compiler()
    assert (found.name, found.version) == ("zig cc", "21.1.0")
    assert found.command[1:4] == ["-m", "ziglang", "cc"]


# ---- the probe ----

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
    found = machine_module._sane(machine_module._parsed(ran.stdout, 2))
    lanes = {"avx512": 8, "avx2": 4, "sse2": 2, "neon": 2, "plain": 1}[isa]
    assert found.flops > 0.6 * min(lanes, 4) * 0.5 * found.flops_scalar


@needs_compiler
@pytest.mark.parametrize(
    "arguments", [[], ["0", "1000000"], ["2", "100"], ["-1", "1000000"], ["1", "1000000", "mmx"]]
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
            machine_module._sane(dataclasses.replace(found, **{name: getattr(found, name) * factor}))
