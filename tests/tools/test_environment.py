"""pyproject.toml, requirements.txt and environment.yml describe one environment."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import lock

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
GROUPS = tomllib.loads(PYPROJECT)["dependency-groups"]
DIRECT = {canonicalize_name(r.name): r for r in map(Requirement, lock.asked_for())}
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
PEERS_LOCK = (ROOT / "requirements-peers.txt").read_text(encoding="utf-8")
PEERS = {canonicalize_name(r.name): r for r in map(Requirement, lock.asked_for(lock.PEERS_GROUPS))}
LOCKS = pytest.mark.parametrize(
    ("text", "direct", "groups"),
    [(LOCK, DIRECT, lock.GROUPS), (PEERS_LOCK, PEERS, lock.PEERS_GROUPS)],
    ids=["course", "peers"],
)


def locked(text: str) -> list[Requirement]:
    """The lines of a lock without their comments."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def conda() -> dict[str, tuple[str, str]]:
    """Name -> (bounds, comment) of the lines of environment.yml."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    found = re.findall(r"^  - ([\w.-]+)[ ]*([<>=!~][^#\n]*?)?[ ]*(?:#[ ]*(.*))?$", text, flags=re.MULTILINE)
    return {canonicalize_name(name): (bounds.replace(" ", ""), comment) for name, bounds, comment in found}


def installed_on(python: str, platform: str = "linux", text: str = LOCK) -> dict[str, Version]:
    """What a lock installs there."""
    here = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": platform,
        "os_name": "posix",
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[platform],
        "platform_machine": {"linux": "x86_64", "darwin": "arm64"}[platform],
    }
    pins = {}
    for requirement in locked(text):
        if requirement.marker is None or requirement.marker.evaluate(here):
            name = canonicalize_name(requirement.name)
            assert name not in pins, f"two versions of {name} on Python {python}"
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pins[name] = Version(pin.version)
    return pins


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_every_direct_dependency_within_its_bounds(python, platform):
    pins = installed_on(python, platform)
    for name, requirement in DIRECT.items():
        assert name in pins, f"{name} is in pyproject.toml and not in requirements.txt: python tools/lock.py"
        assert pins[name] in requirement.specifier, "python tools/lock.py"


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_peers_fit_beside_the_course(python, platform):
    course, pins = installed_on(python, platform), installed_on(python, platform, PEERS_LOCK)
    here = {"python_version": python, "sys_platform": platform, "platform_machine": "arm64"}
    for name, requirement in PEERS.items():
        if requirement.marker is None or requirement.marker.evaluate(here):
            assert name in pins, (
                f"{name} is in pyproject.toml and not in requirements-peers.txt: python tools/lock.py"
            )
            assert pins[name] in requirement.specifier, "python tools/lock.py"
        else:
            assert name not in pins
    for name in course.keys() & pins.keys():
        assert pins[name] == course[name], "python tools/lock.py"


@LOCKS
def test_the_lock_was_made_from_this_pyproject(text, direct, groups):
    digest = lock.digest(lock.asked_for(groups))
    assert f"digest {digest}" in text.splitlines()[1], (
        "pyproject.toml has changed since: python tools/lock.py"
    )


@LOCKS
def test_every_locked_package_is_there_for_a_reason(text, direct, groups):
    named = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, flags=re.MULTILINE)}
    for line in text.splitlines()[3:]:
        name, via = re.fullmatch(r"([\w.-]+)==.*# via (.*)", line).groups()
        asked = ("(pyproject.toml:", "-c ")
        parents = {parent for parent in via.split(", ") if not parent.startswith(asked)}
        assert {canonicalize_name(parent) for parent in parents} <= named
        if "(pyproject.toml:" in via:
            assert canonicalize_name(name) in direct, f"{name} is no longer asked for: python tools/lock.py"


@LOCKS
def test_the_lock_names_no_place(text, direct, groups):
    body = "\n".join(line.partition("#")[0] for line in text.splitlines())
    assert not re.search(r"https?:|file:|git\+|@|^\s*-|/", body, flags=re.MULTILINE)


@LOCKS
def test_the_lock_says_how_old_its_releases_are(text, direct, groups):
    assert re.fullmatch(
        r"# No release younger than 14 days .* none uploaded after 20\d\d-\d\d-\d\d\.", text.splitlines()[2]
    )


def test_a_young_release_is_not_locked(monkeypatch):
    asked = []
    monkeypatch.setattr(
        lock.subprocess,
        "run",
        lambda command, **_: asked.append(command) or subprocess.CompletedProcess(command, 1),
    )
    assert lock.main([]) == 1
    (command,) = asked
    newest = datetime.fromisoformat(command[command.index("--exclude-newer") + 1])
    assert timedelta(days=14) <= datetime.now(UTC) - newest < timedelta(days=15, minutes=1)


def test_what_serves_without_a_compiler_is_pinned_and_not_locked():
    for requirement in map(Requirement, GROUPS["compiler"]):
        assert str(requirement.specifier).startswith("==")
        assert canonicalize_name(requirement.name) not in installed_on("3.13")


def test_conda_has_the_same_dependencies_with_the_same_bounds():
    table = conda()
    extra = {"python", "c-compiler", "conda-forge", "nodefaults", "pip"} - set(DIRECT)
    assert set(table) - extra == set(DIRECT)
    for name, requirement in DIRECT.items():
        assert table[name][0] == str(requirement.specifier), name
    assert table["python"][0] == f">={lock.OLDEST}"


def test_every_direct_dependency_says_why():
    for group in GROUPS.values():
        for requirement in group:
            (line,) = (line for line in PYPROJECT.splitlines() if line.strip().startswith(f'"{requirement}"'))
            assert len(line.partition("#")[2].strip()) > 5, line.strip()
    for name, (_, comment) in conda().items():
        if name in {*DIRECT, "c-compiler"}:
            assert comment, f"{name} in environment.yml"


def test_the_environment_that_runs_this_is_the_lock():
    wanted = installed_on(f"{sys.version_info.major}.{sys.version_info.minor}", sys.platform)
    assert {name: Version(version(name)) for name in DIRECT} == {name: wanted[name] for name in DIRECT}


def test_pre_commit_uses_the_locked_ruff():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (revision,) = re.findall(r"ruff-pre-commit\n\s+rev: v([\d.]+)", text)
    assert Version(revision) == installed_on("3.13")["ruff"]


@pytest.mark.parametrize("path", [".ci/run", ".github/workflows/tests.yml"])
def test_continuous_integration_installs_peers_and_insists_on_them(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text.index("./build.sh setup --peers") < text.rindex("./build.sh test")
    for peer in ("numba", "polars", "duckdb"):
        assert re.search(rf"FAST_SNEK_REQUIRE_PEERS.*\b{peer}\b", text)
        assert peer in PEERS


def test_the_workflow_covers_the_supported_pythons():
    text = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    (matrix,) = re.findall(r"python: (\[.*\])", text)
    assert tuple(tomllib.loads(f"pythons = {matrix}")["pythons"]) == PYTHONS
