"""workbench.machine: right on made-up systems, never failing on broken ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import cores
from workbench import machine as machine_module
from workbench.cores import cpus, usable_cores
from workbench.machine import machine

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


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


@pytest.mark.parametrize(
    ("siblings", "order"),
    [
        ({}, [0, 1, 2, 3]),
        (["0", "1", "2", "3"], [0, 1, 2, 3]),
        (["0,2", "1,3", "0,2", "1,3"], [0, 1, 2, 3]),
        (["0-1", "0-1", "2-3", "2-3"], [0, 2, 1, 3]),
        (["0-1", "0-1", "2,9", "3"], [0, 2, 3, 1]),
    ],
)
def test_cpus_name_one_of_each_core_first(system, siblings, order):
    file = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    system({file.format(cpu): text for cpu, text in enumerate(siblings)})
    assert cpus() == order


def test_no_cpus_where_none_can_be_pinned(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cpus() == []


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
