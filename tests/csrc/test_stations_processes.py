"""`snek.stations` and what happens to processes: truncated files, memory, Ctrl-C, fork. Each test has a child of its own."""

import fcntl
import os
import sys

import builds
import children
import pytest
from children import forks_beside_threads, needs_fork

import snek

PRELUDE = """
import ctypes, mmap, os, signal, sys, threading, time
import snek, twins

DATA = b"".join(b"%d;%d.5\\n" % (n * n % 1013, n % 199 - 99) for n in range(200_000)) + b"last;0.5"
RIGHT = twins.stations(DATA)

def check(threads=2):
    assert snek.stations(DATA, threads=threads) == RIGHT

def long_lines(gigabytes=16.0):
    "A buffer that takes seconds, and hardly any memory: the same file mapped again and again, side by side."
    import tempfile
    block = b"Hamburg;12.3\\nBulawayo;-8.9\\r\\n" * 4096 * 32
    block = block[:len(block) // mmap.PAGESIZE * mmap.PAGESIZE]
    assert block.endswith(b"\\n")
    file = tempfile.TemporaryFile()
    file.write(block)
    file.flush()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    times = int(gigabytes * 2**30) // len(block)
    start = libc.mmap(None, times * len(block), 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, -1, 0)
    assert start != ctypes.c_void_p(-1).value
    for k in range(times):  # 0x10: MAP_FIXED
        place = start + k * len(block)
        assert libc.mmap(place, len(block), mmap.PROT_READ, mmap.MAP_SHARED | 0x10, file.fileno(), 0) == place
    return (ctypes.c_char * (times * len(block))).from_address(start)
"""
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses Linux's mmap and /proc")


def test_a_file_that_is_truncated_meanwhile(tmp_path):
    """By another thread, again and again: an answer, or an OSError that names the file; the process lives."""
    out = children.run(
        PRELUDE
        + f"""
path = {str(tmp_path / "shrinking")!r}
whole = DATA[:DATA.rindex(b"\\n") + 1] * 16
seen = set()
for round in range(40):
    with open(path, "wb") as file:
        file.write(whole)
    thread = threading.Thread(target=lambda: (time.sleep(0.0004 * (round % 10)), os.truncate(path, len(whole) // 3)))
    thread.start()
    try:
        seen.add(len(snek.stations(path, threads=1 + round % 3)) > 100)
    except OSError as error:
        assert error.filename == path and "truncated meanwhile" in str(error), error
        seen.add(OSError)
    except ValueError as error:  # truncated before it was opened, in the middle of a line
        seen.add(ValueError)
    thread.join()
print(OSError in seen)
"""
    )
    assert out == "True\n"


def test_a_file_that_grows_meanwhile(tmp_path):
    """What is appended after the call began is not read: no half a line is.

    Lines of eight bytes, since the system may show the others one page of what is written before the next.
    """
    children.run(
        PRELUDE
        + f"""
path = {str(tmp_path / "growing")!r}
with open(path, "wb") as file:
    file.write(b"abc;1.0\\n" * 2_000_000)
def grow():
    with open(path, "ab", buffering=0) as file:
        while not stop:
            file.write(b"abc;1.0\\n" * 5)
stop = False
thread = threading.Thread(target=grow, daemon=True)
thread.start()
for round in range(10):
    low = os.path.getsize(path) // 8
    (row,) = snek.stations(path).values()
    assert low <= row[3] <= os.path.getsize(path) // 8 and row[:3] == (1.0, 1.0, 1.0), row
stop = True
thread.join()
"""
    )


def test_memory_does_not_grow_with_the_file(tmp_path):
    """The peak of a child that reads 10 MB, and of one that reads 200 MB."""
    block = b"".join(b"Station %d;%d.5\n" % (n % 413, n % 99) for n in range(60_000))
    block = block * (10_000_000 // len(block))
    peaks = []
    for times in (1, 20):
        with open(tmp_path / "data", "wb") as file:
            for _ in range(times):
                file.write(block)
        out = children.run(f"""
            import resource, snek
            begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found = snek.stations({str(tmp_path / "data")!r}, threads=2)
            assert sum(row[3] for row in found.values()) == {block.count(10) * times}
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin)
        """)
        peaks.append(int(out) * (1 if sys.platform == "darwin" else 1024))
    os.unlink(tmp_path / "data")
    assert peaks[1] < peaks[0] + 2_000_000
    assert peaks[0] < 12_000_000


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="needs leases")
def test_a_file_that_another_process_has_leased(tmp_path):
    """It is asked to give the file back, and waited for, as open() waits."""
    (tmp_path / "data").write_bytes(b"a;1.0\n")
    source = f"""
        import fcntl, os, signal
        file = os.open({str(tmp_path / "data")!r}, os.O_RDWR)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            print("refused")
        else:
            print("leased", flush=True)
            signal.sigwait([signal.SIGIO])
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    """
    with children.start(source) as owner:
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
    children.run(
        f"""
import os, snek
file = os.memfd_create("sparse")
os.truncate(file, 2**55)
try:
    snek.stations(f"/proc/self/fd/{{file}}", threads={threads})
except ValueError as error:
    assert str(error).startswith("malformed line at byte 0:"), error
else:
    raise AssertionError
""",
        timeout=60,
    )


@needs_linux
def test_other_threads_run_while_the_dict_is_made():
    """Building it takes half of a call with so many names, and others needn't wait for all of that."""
    children.run(
        """
import threading, time, snek
data = b"".join(b"%d;0.5\\n" % n for n in range(1_500_000))
ticks, stop = [], False
def tick():
    while not stop:
        ticks.append(time.perf_counter())
        time.sleep(0.002)
thread = threading.Thread(target=tick)
thread.start()
begin = time.perf_counter()
found = snek.stations(data, threads=1)
end = time.perf_counter()
stop = True
thread.join()
times = [begin, *(now for now in ticks if begin < now < end), end]
longest = max(after - before for before, after in zip(times, times[1:]))
assert longest < (end - begin) / 4, (longest, end - begin)
"""
    )


CALL = "snek.stations(lines, threads={})"


@needs_linux
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_ctrl_c_stops_a_call(threads):
    """And the pool is as good as new afterwards."""
    children.assert_stops_at_once(
        PRELUDE
        + f"""
lines = long_lines()
try:
    print("computing")
    snek.stations(lines, threads={threads})
    print("never")
except KeyboardInterrupt:
    print(time.monotonic())
check()
check(0)
"""
    )


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
    out = children.run(f"""
        import ctypes, snek
        try:
            print(len(snek.stations({str(tmp_path / "data")!r}, threads=1)))
        except KeyboardInterrupt:
            print("stopped")
        print(ctypes.c_int.in_dll(ctypes.CDLL(None), "slow_preads").value)
    """)
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
    children.assert_stops_at_once(
        """
import time
import snek
def lines(number):
    return b"".join(b"%d;0.5\\n" % (n * 7 % number) for n in range(2 * number))
assert len(snek.stations(lines(500), threads=2)) == 500
data = lines(1_000_000)
try:
    print("computing")
    snek.stations(data, threads=2)
    print("never")
except KeyboardInterrupt:
    print(time.monotonic())
"""
    )


@needs_linux
def test_a_handler_that_does_not_raise_does_not_stop_the_call():
    """And may use snek.stations itself in the middle of a call of it; no system call that it interrupts is lost."""
    children.run(
        PRELUDE
        + """
seen = []
def handler(signum, frame):
    check(2)
    seen.append(1)
import tempfile
file = tempfile.NamedTemporaryFile()
file.write(DATA[:DATA.rindex(b"\\n") + 1] * 100)
file.flush()
expected = {name: row[3] * 100 for name, row in RIGHT.items() if name != "last"}
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
for threads in (1, 2, 4):
    del seen[:]
    while len(seen) < 3:
        found = snek.stations(file.name, threads=threads)
        assert {name: row[3] for name, row in found.items()} == expected
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    )


@needs_fork
@needs_linux
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=forks_beside_threads)])
def test_fork_in_the_middle_of_a_call(threads):
    """By a signal handler. The parent's result is whole; the child's too, or it is told that the helpers are gone."""
    children.run(
        PRELUDE
        + f"""
inside = []
def handler(signum, frame):
    inside.append(os.fork())
signal.signal(signal.SIGALRM, handler)
lines = long_lines(0.4)
expected = snek.stations(lines)
while not inside:
    found, error = None, None
    signal.setitimer(signal.ITIMER_REAL, 0.04)
    try:
        found = snek.stations(lines, threads={threads})
    except RuntimeError as exception:
        error = exception
    signal.setitimer(signal.ITIMER_REAL, 0)
if inside == [0]:
    try:
        # On a busy machine no helper may have come yet, or the signal came just before or after the call.
        assert found == expected if error is None else "forked by a signal handler" in str(error), error
        assert error is None or {threads} == 2
        check()
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
assert error is None and found == expected
for _ in range(6000):
    done, status = os.waitpid(inside[0], os.WNOHANG)
    if done:
        assert status == 0, status
        break
    time.sleep(0.01)
else:
    os.kill(inside[0], signal.SIGKILL)
    raise AssertionError("the forked child hangs")
check()
""",
        "-Wignore",
    )


@needs_fork
@forks_beside_threads
def test_fork_after_the_pool_has_run():
    children.run(
        PRELUDE
        + """
check(3)
child = os.fork()
if child == 0:
    check(3)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
check(3)
""",
        "-Wignore",
    )


@needs_linux
def test_the_process_ends_while_a_daemon_thread_computes():
    for threads in (1, 2):
        children.run(
            PRELUDE
            + f"""
lines = long_lines()
threading.Thread(target=lambda: snek.stations(lines, threads={threads}), daemon=True).start()
time.sleep(0.1)
""",
            timeout=60,
        )


def test_opening_is_audited(tmp_path):
    """As open() is: whoever listens sees the path, and may refuse."""
    (tmp_path / "data").write_bytes(b"a;1.0\n")
    out = children.run(f"""
        import pathlib, sys, snek
        seen = []
        def hook(event, args):
            if event == "open":
                seen.append(args[0])
                if args[0].endswith("secret"):
                    raise ZeroDivisionError
        sys.addaudithook(hook)
        snek.stations({str(tmp_path / "data")!r})
        try:
            snek.stations(pathlib.Path({str(tmp_path / "secret")!r}))
        except ZeroDivisionError:
            print(*seen)
    """)
    assert out.split() == [str(tmp_path / "data"), str(tmp_path / "secret")]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_child_does_not_inherit_the_file(tmp_path):
    """Opened with O_CLOEXEC: seen from a process that is started in the middle of a call."""
    (tmp_path / "data").write_bytes(b"Hamburg;12.3\n" * 8_000_000)
    out = children.run(f"""
        import os, subprocess, threading, snek
        path = {str(tmp_path / "data")!r}
        thread = threading.Thread(target=lambda: [snek.stations(path, threads=1) for _ in range(12)])
        thread.start()
        mine = theirs = 0
        while thread.is_alive():
            for name in os.listdir("/proc/self/fd"):
                try:
                    mine += os.readlink("/proc/self/fd/" + name) == path
                except OSError:
                    pass
            listing = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False)
            theirs += path in listing.stdout
        print(mine > 0, theirs)
    """)
    assert out == "True 0\n"
