"""setup --peers: what can be installed is, what can't is reported in one line, and what is there is left alone."""

from __future__ import annotations

import pytest

import installer
import peers
from environment import Environment
from workbench.interpreters import Interpreter

NO_WHEEL = "error: No solution found: numba==0.1 has no wheels with a matching Python ABI tag"
NO_NETWORK = "error: Failed to fetch: dns error"
NO_REASON = "error: No solution found when resolving dependencies"  # uv without network, for a requirement that has a marker


@pytest.fixture
def target(tmp_path) -> Environment:
    """An environment that exists only as a folder with its state."""
    (tmp_path / "env").mkdir()
    return Environment(tmp_path / "env")


@pytest.fixture
def index(monkeypatch):
    """A package index of our own: `index.answers` maps a peer to what the installer prints when it fails."""

    class Index:
        def __init__(self) -> None:
            self.answers: dict[str, str] = {}
            self.installed: list[str] = []
            self.calls = 0

        def install(self, target, lock, *what, doing, environment=None):
            self.calls += 1
            wanted = [
                peers.name(word) for word in what if isinstance(word, str) and not word.startswith(("-", ":"))
            ]
            failed = [self.answers[name] for name in wanted if name in self.answers]
            if failed:
                return failed[0]
            self.installed += wanted
            return None

    made = Index()
    monkeypatch.setattr(installer, "install", made.install)
    return made


PEERS = ["numba>=0.1", "polars>=1", "duckdb>=1"]


def test_all_at_once_and_not_again(target, index):
    assert peers.fill(target, PEERS, 0) == []
    assert (index.installed, index.calls) == (["numba", "polars", "duckdb"], 1)
    assert peers.fill(target, PEERS, 0) == []
    assert index.calls == 1


def test_the_rest_is_installed_and_the_refused_is_not_tried_again(target, index):
    index.answers["numba"] = NO_WHEEL
    (line,) = peers.fill(target, PEERS, 0)
    assert line == "numba cannot be installed: it has no wheel for this Python or this system"
    assert index.installed == ["polars", "duckdb"]
    calls = index.calls
    assert peers.fill(target, PEERS, 0) == [line]
    assert index.calls == calls


@pytest.mark.parametrize("answer", [NO_NETWORK, NO_REASON])
def test_without_network_the_next_run_tries_again(target, index, answer):
    index.answers = dict.fromkeys(("numba", "polars", "duckdb"), answer)
    assert len(peers.fill(target, PEERS, 0)) == 3
    index.answers.clear()
    assert peers.fill(target, PEERS, 0) == []
    assert index.installed == ["numba", "polars", "duckdb"]


def test_an_interruption_leaves_work_for_the_next_run(target, index, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    peers.fill(target, PEERS, 0)
    target.record(peers="of an older lock")
    with monkeypatch.context() as context:
        context.setattr(installer, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            peers.fill(target, PEERS, 0)
    assert "peers" not in target.state
    peers.fill(target, PEERS, 0)
    assert index.calls == 2


def test_a_changed_lock_installs_again(target, index, monkeypatch):
    peers.fill(target, PEERS, 0)
    monkeypatch.setattr(peers, "wanted", lambda: "another")
    peers.fill(target, PEERS, 0)
    assert index.calls == 2


def test_installers_get_no_markers(target, index, monkeypatch):
    monkeypatch.setattr(
        installer,
        "install",
        lambda *what, **_: "no wheels" if any(";" in str(word) for word in what) else None,
    )
    assert peers.fill(target, peers.requirements(), 0) == []


def test_what_has_no_wheel_for_this_python_goes_elsewhere():
    here, older = peers.for_python((3, 14))
    assert [peers.name(each) for each in older] == ["taichi"]
    assert {"numba", "polars", "duckdb", "pyarrow", "pandas", "mojo"} == {peers.name(each) for each in here}
    assert peers.for_python((3, 13))[1] == []


def python(version: str, implementation: str = "CPython", free_threaded: bool = False) -> Interpreter:
    return Interpreter("/nowhere/" + version, version, implementation, free_threaded, False, "/nowhere")


def test_the_newest_that_is_old_enough(monkeypatch):
    found = [
        python("3.14.1"),
        python("3.13.2", free_threaded=True),
        python("3.12.9"),
        python("3.11.4"),
        python("3.10.1"),
    ]
    monkeypatch.setattr(peers, "interpreters", lambda: (*found, python("3.13.1", "PyPy")))
    assert peers.older_python((3, 14)).version == "3.12.9"
    assert peers.older_python((3, 11)) is None


def test_no_older_python_is_reported_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "OLDER", Environment(tmp_path / "none"))
    monkeypatch.setattr(peers, "interpreters", lambda: (python("3.14.1"),))
    (line,) = peers.fill_older(["taichi>=1.7.4; python_version < '3.14'"], 0)
    assert line.startswith("taichi cannot be installed: no Python 3.11 to 3.13 here")
