"""Start a host process for an entry of a race, and talk to it: commands, answers, timeouts, its memory, its last words."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from race.entries import ROOT, Entry

BUILD = ROOT / "build" / "race"
HOST = Path(__file__).with_name("host_main.py")
PREPARE_TIMEOUT = 300.0  # seconds, and those of a job on top: a compiler may need a minute on a slow machine


class Failed(Exception):
    """The competitor can't go on. `missing`: something it needs isn't here, which is nobody's fault."""

    def __init__(self, reason: str, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing


class Host:
    """One competitor, resident in its own process."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        competitor = entry.competitor
        name = f"{competitor.path.parent.name}-{competitor.key}-{entry.threads}"
        self.result = BUILD / "results" / name
        self.log = BUILD / "logs" / f"{name}.txt"
        self.folder = (
            BUILD / "compiled" / f"{competitor.path.parent.name}-{competitor.key}-{competitor.digest}"
        )
        for folder in (self.result.parent, self.log.parent, self.folder):
            folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [entry.python, str(HOST)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                env=_surroundings(entry),
                start_new_session=True,  # so that its own children can be ended with it
            )
        self._unread = b""
        self._workers: list[psutil.Process] = []
        self._rested = 0.0, 0.0  # since when it should sleep, and what its workers had worked until then
        # Seconds that it should have slept, and that its workers worked meanwhile.
        self._idle = self._restless = 0.0

    def ask(self, timeout: float, **command: Any) -> dict[str, Any]:
        """Send a command and return the answer. Raises Failed when there is none in time, or a bad one."""
        begin, worked = time.monotonic(), self._worked()
        self._idle += begin - self._rested[0]
        self._restless += worked - self._rested[1]
        try:
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:  # it is gone; what follows finds out why
            pass
        answer = json.loads(self._line(timeout))
        if "error" in answer:
            self.end()
            raise Failed(answer["error"], answer["missing"])
        self._rested = time.monotonic(), self._worked()
        if command["do"] == "run":
            answer["busy"] += (self._rested[1] - worked) / command["calls"]
        # The system counts in hundredths of a second, so short waits are added up.
        if self._idle > 0.2:
            answer["busy_waiting"] += self._restless / self._idle
            self._idle = self._restless = 0.0
        return answer

    def settle(self) -> None:
        """Find the worker processes that it keeps: what they do is in its own account only once they have ended."""
        with contextlib.suppress(psutil.Error):
            self._workers = psutil.Process(self.process.pid).children(recursive=True)
        self._rested = time.monotonic(), self._worked()
        self._idle = self._restless = 0.0

    def _worked(self) -> float:
        """The processor seconds of those workers that are alive."""
        seconds = 0.0
        for worker in self._workers:
            with contextlib.suppress(psutil.Error):
                seconds += sum(worker.cpu_times()[:2])  # user and system
        return seconds

    def ask_and_watch(self, timeout: float, **command: Any) -> tuple[dict[str, Any], float]:
        """The same, and the most memory (bytes) that the process and its children had at any moment meanwhile."""
        with _Watch(self.process.pid) as watch:
            answer = self.ask(timeout, **command)
        return answer, watch.most

    def _line(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        out = self.process.stdout.fileno()
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                self.end()
                raise Failed(f"no answer within {timeout:.0f} s")
            received = os.read(out, 65536)
            if not received:
                self.end(patience=1.0)
                raise Failed(f"its process ended: {self._how()}{self._last_words()}")
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _how(self) -> str:
        code = self.process.returncode
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def _last_words(self) -> str:
        lines = [
            line
            for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            if line.strip()
        ]
        return f"; it said: {lines[-1].strip()[:200]}" if lines else ""

    def dismiss(self) -> None:
        """Tell it to end by itself, without waiting for it."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def end(self, patience: float = 0.0) -> None:
        """End the process and all that it started, at the latest after `patience` seconds."""
        self.dismiss()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)  # and with it whatever it left behind
        self.process.wait()
        self.process.stdout.close()


class _Watch:
    """Samples the memory of a process and its children every few milliseconds, until left.

    Counted is what belongs to them alone: of a mapped file the page cache holds the one copy, however much of it is mapped.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.most = pid, 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self._sample([psutil.Process(self.pid)] if psutil.pid_exists(self.pid) else [])

    def _watch(self) -> None:
        family: list[psutil.Process] = []
        turn = 0
        while not self._done.wait(0.002):
            if turn % 25 == 0:
                with contextlib.suppress(psutil.Error):
                    top = psutil.Process(self.pid)
                    family = [top, *top.children(recursive=True)]
            self._sample(family)
            turn += 1

    def _sample(self, family: list[psutil.Process]) -> None:
        total = 0
        for process in family:
            with contextlib.suppress(psutil.Error):
                memory = process.memory_info()
                total += memory.rss - getattr(memory, "shared", 0)
        self.most = max(self.most, total)


def _surroundings(entry: Entry) -> dict[str, str]:
    """The environment variables of a host: nothing that was set for another Python, and workers that sleep when they wait."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    pools = ("OMP", "OPENBLAS", "MKL", "NUMBA")  # read when the library is imported: later is too late
    own = Path(entry.python).parent
    return {
        **kept,
        **dict.fromkeys((f"{pool}_NUM_THREADS" for pool in pools), str(entry.threads)),
        "POLARS_MAX_THREADS": str(entry.threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "KMP_BLOCKTIME": "0",
        "PATH": f"{own}{os.pathsep}{kept.get('PATH', os.defpath)}",
    }
