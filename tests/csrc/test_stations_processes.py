"""`snek.stations` and what happens to processes: truncated files, memory, Ctrl-C, fork. Each test has a child of its own."""

import fcntl
import os
import sys

import builds
import children
import pytest
from children import forks_beside_threads, needs_fork

import snek

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses Linux's mmap and /proc")


def test_a_file_that_is_truncated_meanwhile(tmp_path):
    """By another thread, again and again: an answer, or an OSError that names the file; the process lives."""
    out = children.run("stations_changing_files.py", "truncated", tmp_path / "shrinking")
    assert out == "True\n"


def test_a_file_that_grows_meanwhile(tmp_path):
    """What is appended after the call began is not read: no half a line is."""
    children.run("stations_changing_files.py", "growing", tmp_path / "growing")


def test_memory_does_not_grow_with_the_file(tmp_path):
    """The peak of a child that reads 10 MB, and of one that reads 200 MB."""
    block = b"".join(b"Station %d;%d.5\n" % (n % 413, n % 99) for n in range(60_000))
    block = block * (10_000_000 // len(block))
    peaks = []
    for times in (1, 20):
        with open(tmp_path / "data", "wb") as file:
            for _ in range(times):
                file.write(block)
        lines = block.count(b"\n") * times
        out = children.run("stations_files.py", "peak_of_memory", tmp_path / "data", lines)
        peaks.append(int(out) * (1 if sys.platform == "darwin" else 1024))
    os.unlink(tmp_path / "data")
    assert peaks[1] < peaks[0] + 2_000_000
    assert peaks[0] < 12_000_000


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="needs leases")
def test_a_file_that_another_process_has_leased(tmp_path):
    """It is asked to give the file back, and waited for, as open() waits."""
    (tmp_path / "data").write_bytes(b"a;1.0\n")
    with children.start("stations_files.py", "leased", tmp_path / "data") as owner:
        if owner.stdout.readline() == "leased\n":
            assert snek.stations(tmp_path / "data") == {"a": (1.0, 1.0, 1.0, 1)}
            children.finish(owner, 60)
        else:
            children.finish(owner, 60)
            pytest.skip("this file system has no leases")


@needs_linux
@pytest.mark.parametrize("threads", [1, 3])
def test_nothing_is_read_after_the_first_malformed_line(threads):
    """Of 36 petabytes: hours would go by if each of the segments were taken and put aside."""
    children.run("stations_files.py", "malformed_from_the_first_line_on", threads, timeout=60)


@needs_linux
def test_other_threads_run_while_the_dict_is_made():
    """Building it takes half of a call with so many names, and others needn't wait for all of that."""
    children.run("threads.py", "run_while_the_dict_is_made")


@needs_linux
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_ctrl_c_stops_a_call(threads):
    """And the pool is as good as new afterwards."""
    children.assert_stops_at_once("stations_signals.py", "ctrl_c_stops_a_call", threads)


@pytest.fixture(scope="module")
def slow_disk(tmp_path_factory):
    """The environment in which a child's reads are slow."""
    folder = tmp_path_factory.mktemp("slow")
    source = builds.ROOT / "tests" / "csrc" / "c" / "slow_pread.c"
    builds.command(builds.compiler(), "-shared", "-fPIC", source, "-o", folder / "slow_pread.so")
    preloaded = os.environ.get("LD_PRELOAD", "").split()
    return {"LD_PRELOAD": " ".join([*preloaded, str(folder / "slow_pread.so")])}  # AddressSanitizer is first


@needs_linux
@pytest.mark.parametrize("read", range(1, 6))
@pytest.mark.parametrize("interrupted", [False, True], ids=["goes on", "interrupted"])
def test_ctrl_c_during_a_read_is_the_last_read(read, interrupted, slow_disk, tmp_path, monkeypatch):
    """Be it one that the signal interrupts, or one after which the clock is due: no other read begins.

    Each of those might take seconds. An interrupted read fails at once here, so not much later than a look at the clock.
    """
    settings = {"SLOW_PREAD_MS": "40", "SLOW_PREAD_SIGNAL_AT": str(read)}
    for name, value in {
        **slow_disk,
        **settings,
        **({"SLOW_PREAD_INTERRUPTED": ""} if interrupted else {}),
    }.items():
        monkeypatch.setitem(children.ENVIRONMENT, name, value)
    (tmp_path / "data").write_bytes(b"Hamburg;12.3\n" * 200_000)
    out = children.run("stations_files.py", "reads_until_ctrl_c", tmp_path / "data")
    assert out.split() == ["stopped", str(read)]


@needs_linux
@pytest.mark.skipif(
    bool(os.environ.get("SNEK_TESTS_QUICK")), reason="has a build of its own, not that under test"
)
def test_ctrl_c_stops_names_that_all_collide(monkeypatch):
    """Somebody has found the names: quadratic, but not beyond Ctrl-C."""
    plant = {
        "kernels/stations*.[ch]": {
            "return self.low * UINT64_C(0x9e3779b97f4a7c15) + self.high * UINT64_C(0xd6e8feb86659fd93);": "return self.low * 0;"
        }
    }
    folder = builds.snek("colliding", "-O2", cc=builds.compiler(), plant=plant)
    path = os.pathsep.join([str(folder), children.ENVIRONMENT["PYTHONPATH"]])
    monkeypatch.setitem(children.ENVIRONMENT, "PYTHONPATH", path)
    children.assert_stops_at_once("stations_signals.py", "ctrl_c_stops_names_that_all_collide")


@needs_linux
def test_a_handler_that_does_not_raise_does_not_stop_the_call():
    """And may use snek.stations itself in the middle of a call of it; no system call that it interrupts is lost."""
    children.run("stations_signals.py", "a_handler_that_does_not_raise")


@needs_fork
@needs_linux
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=forks_beside_threads)])
def test_fork_in_the_middle_of_a_call(threads):
    """By a signal handler. The parent's result is whole; the child's too, or it is told that the helpers are gone."""
    children.run("stations_fork.py", "in_the_middle_of_a_call", threads, options=["-Wignore"])


@needs_fork
@forks_beside_threads
def test_fork_after_the_pool_has_run():
    children.run("stations_fork.py", "after_the_pool_has_run", options=["-Wignore"])


@needs_linux
def test_the_process_ends_while_a_daemon_thread_computes():
    for threads in (1, 2):
        children.run("end.py", "while_a_daemon_thread_reads", threads, timeout=60)


def test_opening_is_audited(tmp_path):
    """As open() is: whoever listens sees the path, and may refuse."""
    (tmp_path / "data").write_bytes(b"a;1.0\n")
    out = children.run("stations_files.py", "audited", tmp_path / "data", tmp_path / "secret")
    assert out.split() == [str(tmp_path / "data"), str(tmp_path / "secret")]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_child_does_not_inherit_the_file(tmp_path):
    """Opened with O_CLOEXEC: seen from a process that is started in the middle of a call."""
    (tmp_path / "data").write_bytes(b"Hamburg;12.3\n" * 8_000_000)
    out = children.run("stations_files.py", "inherited", tmp_path / "data")
    assert out == "True 0\n"
