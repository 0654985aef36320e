"""workbench.compiler: the first compiler that answers; the set-up and the cells take the same one."""

from __future__ import annotations

import sys

import pytest

import environment
from workbench import compiler
from workbench.compiler import find_compiler


@pytest.fixture(autouse=True)
def no_compiler_of_pythons_own(monkeypatch):
    monkeypatch.setattr(compiler.sysconfig, "get_config_var", lambda name: None)


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


def test_pythons_own_compiler_comes_after_those_with_common_names(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(compiler.sysconfig, "get_config_var", lambda name: "x86-gcc -pthread")
    fake_compiler(tmp_path, "x86-gcc", "gcc (GCC) 12.2.0\nFree Software Foundation, Inc.")
    assert find_compiler().command == ["x86-gcc", "-pthread"]
    fake_compiler(tmp_path, "clang", "clang version 15.0.0")
    assert find_compiler().command == ["clang"]


def test_the_set_up_asks_the_same_finder_but_wraps_ziglang_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "mycc -m64")
    fake_compiler(tmp_path, "mycc", "My C 3.1")
    assert environment.find_compiler() == "mycc -m64"
    monkeypatch.setenv("CC", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    fake_compiler(tmp_path, "python", "clang version 21.1.0")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_compiler().name == "zig cc"
    assert environment.find_compiler() is None
