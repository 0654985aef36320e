"""The pool and the other kernels in plain C, without Python: under ThreadSanitizer and AddressSanitizer."""

import ctypes
import os
import subprocess
import threading

import ahead
import builds
import pytest
import twins

FILES = [builds.DRIVERS / "pool_driver.c", *builds.sources("kernels/*.c")]
THREAD = ["-fsanitize=thread", "-fno-omit-frame-pointer"]
ADDRESS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def run(program, *arguments, **variables):
    done = subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        env={"PATH": "/usr/bin:/bin", **variables},
    )
    return done.returncode, done.stdout + done.stderr


def sanitized_program(name, files, flags, cc, plant=None):
    """Build a driver with a sanitizer, or skip where the compiler has none."""
    builds.compiler(cc)
    try:
        builds.program(
            f"probe-{flags[0].partition('=')[2].replace(',', '-')}-{cc}",
            [builds.DRIVERS / "nothing.c"],
            *flags,
            cc=cc,
        )
    except AssertionError:
        pytest.skip(f"{cc} has no {flags[0]} here")
    return builds.program(name, files, *flags, cc=cc, plant=plant)


def sanitized(name, flags, cc, plant=None):
    return sanitized_program(f"pool-{name}", FILES, flags, cc, plant)


def test_driver():
    cc = builds.compiler()
    assert run(builds.program("pool", FILES, cc=cc), "fork") == (0, "ok\n")


@pytest.fixture(scope="module")
def with_tsan(request):
    """Give the driver that a compiler has made for ThreadSanitizer."""
    return ahead.outcomes(
        request, ["test_under_thread_sanitizer"], "cc", lambda cc: sanitized(f"tsan-{cc}", THREAD, cc)
    )


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_under_thread_sanitizer(cc, with_tsan):
    assert run(with_tsan(cc), TSAN_OPTIONS="halt_on_error=1") == (0, "ok\n")


@pytest.fixture(scope="module")
def with_asan(request):
    """Give the driver that a compiler has made for AddressSanitizer and UndefinedBehaviorSanitizer."""
    return ahead.outcomes(
        request, ["test_under_address_sanitizer"], "cc", lambda cc: sanitized(f"asan-{cc}", ADDRESS, cc)
    )


@pytest.mark.slow
@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_under_address_sanitizer(cc, with_asan):
    """Leaks included: the driver frees what it allocates, so what is left is the pool's."""
    assert run(with_asan(cc), "fork", ASAN_OPTIONS="detect_leaks=1") == (0, "ok\n")


# What the checks above are for: each of these defects must be found.
DEFECTS = {
    "a chunk taken twice": (
        "asan",
        "atomic_fetch_add_explicit(&job->next_chunk, 1, memory_order_relaxed);",
        "atomic_load(&job->next_chunk); atomic_store(&job->next_chunk, *chunk + 1);",
    ),
    "two helpers of one number": (
        "tsan",
        "size_t number = ++job->joined;",
        "size_t number = (++job->joined, 1);",
    ),
    "a helper that leaves without the lock": (
        "tsan",
        "job_work(job, number);\n\n        pthread_mutex_lock(&the_pool.lock);\n        if (--job->active == 0) {",
        "job_work(job, number);\n\n        size_t left = --job->active;\n        pthread_mutex_lock(&the_pool.lock);\n"
        "        if (left == 0) {",
    ),
    "a caller that doesn't wait": ("asan", "while (job->active > 0 &&", "while (job->active > 9 &&"),
    "a job that is never freed": ("asan", "    free(job);\n", "    (void)job;\n"),
    "helpers that a child believes in": ("asan", "    the_pool.helpers = 0;\n    the_pool.idle = 0;\n", ""),
    "a lock left locked in the child": (
        "asan",
        "    pthread_cond_init(&the_pool.work, NULL);\n    pthread_mutex_unlock(&the_pool.lock);\n",
        "    pthread_cond_init(&the_pool.work, NULL);\n",
    ),
    "a stop that helpers don't see": (
        "asan",
        "return atomic_load_explicit(&job->stopped, memory_order_relaxed);\n}",
        "return member->number == 0 && atomic_load_explicit(&job->stopped, memory_order_relaxed);\n}",
    ),
    "helpers that are never invited": (
        "asan",
        "job_is_worth_helpers(job))",
        "job_chunks_left(job) > job->chunks)",
    ),
    "helpers that are not waited for, invited late": (
        "asan",
        "    if (job->invited) {\n        pool_remove(job);",
        "    if (job->invited && job->began == 0) {\n        pool_remove(job);",
    ),
}


def with_defect(name):
    tool, good, bad = DEFECTS[name]
    return sanitized(
        f"defect{list(DEFECTS).index(name)}",
        THREAD if tool == "tsan" else ADDRESS,
        builds.compiler(),
        plant={**builds.PORTABLE_ONLY, "kernels/pool.c": {good: bad}},
    )


@pytest.mark.mutant
@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defects_are_found(name, defective):
    program, tool = defective(name), DEFECTS[name][0]
    status, _ = run(program, *([] if tool == "tsan" else ["fork", "6"]), TSAN_OPTIONS="halt_on_error=1")
    assert status != 0


# ---- the other kernels ----


@pytest.fixture(scope="module")
def kernels():
    """The kernels as a shared library, the way notebooks call them."""
    return ctypes.CDLL(str(builds.program("kernels", FILES[1:], "-shared", "-fPIC", cc=builds.compiler())))


def test_fib(kernels):
    kernels.fib.restype = ctypes.c_int64
    assert [kernels.fib(n) for n in range(25)] == [twins.fib(n) for n in range(25)]


def test_mandelbrot_fill(kernels):
    out = (ctypes.c_int32 * 30 * 20)()
    size, real = ctypes.c_ssize_t, ctypes.c_double
    kernels.mandelbrot_fill.argtypes = [ctypes.c_void_p, size, size, real, real, real, real, ctypes.c_int32]
    kernels.mandelbrot_fill.restype = None
    kernels.mandelbrot_fill(out, 20, 30, -2.0, 0.47, -1.12, 1.12, 100)
    assert [list(row) for row in out] == twins.mandelbrot(20, 30, max_iter=100)


NO_QUOTA = 1.7976931348623157e308  # DBL_MAX


@pytest.mark.parametrize(
    ("membership", "files", "cpus"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000"}, NO_QUOTA),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        (
            "0::/a/b\n",
            {"a/b/cpu.max": "400000 100000", "a/cpu.max": "300000 100000", "cpu.max": "800000 100000"},
            3,
        ),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/not/seen/from/here\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/../../other\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/..\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/a..b/..c\n", {"a..b/..c/cpu.max": "150000 100000", "cpu.max": "200000 100000"}, 1.5),
        ("0::/..a\n", {"..a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a//b/\n", {"a/cpu.max": "100000 100000"}, 1),
        (
            "4:memory:/x\n3:cpu,cpuacct:/a\n0::/\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        (
            "3:cpuset:/a\n1:cpu:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"},
            NO_QUOTA,
        ),
        ("1:cpu:/docker/1234\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "50000"}, 2),
        ("1:cpuset:/a\n", {"cpuset/a/cpu.cfs_quota_us": "1", "cpuset/a/cpu.cfs_period_us": "1"}, NO_QUOTA),
        ("0::/a\n", {"a/cpu.max": ""}, NO_QUOTA),
        ("0::/a\n", {"a/cpu.max": "0 0"}, NO_QUOTA),
        ("0::/a\n", {"a/cpu.max": "-5 100000"}, NO_QUOTA),
        ("0::/a\n", {"a/cpu.max": "nan nan"}, NO_QUOTA),
        ("", {}, NO_QUOTA),
        ("garbage\n:\n::\n0:\n", {}, NO_QUOTA),
        ("0::/" + "x/" * 5000 + "\n", {"cpu.max": "100000 100000"}, None),
    ],
    ids=range(22),
)
def test_quota(kernels, tmp_path, membership, files, cpus):
    """Both versions of cgroups, along the path; what cannot be read or understood is no quota."""
    kernels.cpus_in_quota.restype = ctypes.c_double
    (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "hierarchy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = kernels.cpus_in_quota(*(str(tmp_path / name).encode() for name in ("membership", "hierarchy")))
    if cpus is not None:
        assert found == cpus
    else:  # a line longer than any path: anything but a crash
        assert found > 0


def files_left_open(kernels, folder) -> int:
    """Return how many more files are open after 20 questions for the quota than before."""
    kernels.cpus_in_quota.restype = ctypes.c_double
    (folder / "membership").write_text("0::/a\n")
    (folder / "a").mkdir()
    (folder / "a" / "cpu.max").write_text("150000 100000")
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        assert kernels.cpus_in_quota(str(folder / "membership").encode(), str(folder).encode()) == 1.5
    return len(os.listdir("/dev/fd")) - before


def test_the_quota_leaves_no_file_open(kernels, tmp_path):
    """cpus_usable reads it once a second, too seldom for the hunt for leaks."""
    assert files_left_open(kernels, tmp_path) == 0


@pytest.mark.mutant
@pytest.mark.parametrize("after", ["return smallest;", "return count;"])
def test_a_file_left_open_is_found(after, tmp_path):
    plant = {"kernels/cpus.c": {f"    fclose(stream);\n    {after}": f"    {after}"}}
    library = builds.program(
        f"kernels-leak-{after[7:-1]}",
        FILES[1:],
        *("-shared", "-fPIC"),
        cc=builds.compiler(),
        plant={**builds.PORTABLE_ONLY, **plant},
    )
    assert files_left_open(ctypes.CDLL(str(library)), tmp_path) == 20


def test_usable_cpus(kernels):
    assert 1 <= kernels.cpus_usable() <= kernels.cpus_in_affinity()
    assert kernels.cpus_usable_recently() in (0, kernels.cpus_usable())  # 0: a second later
    if hasattr(os, "sched_getaffinity"):
        assert kernels.cpus_in_affinity() == len(os.sched_getaffinity(0))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_a_thread_moves_off_a_cpu(kernels):
    """It goes where it may, and may run afterwards where it might before. In a thread: the rest of this process stays."""
    two = sorted(os.sched_getaffinity(0))[:2]
    if len(two) < 2:
        pytest.skip("one CPU")
    seen = []
    allowed = ctypes.create_string_buffer(256)  # a cpus_set, and room

    def work():
        for taken in [two[:1], two[1:], [-1, *two[:1], 10**9], two, []]:
            os.sched_setaffinity(0, two[:1])  # to the first of them...
            os.sched_setaffinity(0, two)
            kernels.cpus_allowed(allowed)
            kernels.cpus_settle(allowed, (ctypes.c_int * len(taken))(*taken), ctypes.c_size_t(len(taken)))
            seen.append((kernels.cpus_current() in taken, sorted(os.sched_getaffinity(0))))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, two), (False, two), (False, two), (True, two), (False, two)]
