"""The set-up under what people have in their variables and configuration files.

Packages come from an index on the loopback, so nothing is downloaded. Each hostile setting is first shown to break an installer
that is left alone with it: a setting that breaks nothing proves nothing.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_build import PYTHON, UV, build, copy_of_the_repository, environment_name, machine_with

import installer_settings
from installer_settings import sort

pytestmark = pytest.mark.slow

INSTALLERS = pytest.mark.parametrize(
    "installer",
    [pytest.param("uv", marks=pytest.mark.skipif(UV is None, reason="uv is not installed")), "pip"],
)
SECRET = "hunter2"
OLD, YOUNG = "2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z"


def wheel(folder: Path, name: str, version: str, needs: str = "") -> Path:
    """Write a package of one module."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + f"Requires-Dist: {needs}\n" * bool(needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]))
    return path


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Iterator[str]:
    """The address of a package index with `probe`, which needs `probe_part`; 1.1 is younger than 1.0."""
    folder = tmp_path_factory.mktemp("wheels")
    uploaded = {
        wheel(folder, "probe", "1.0", needs="probe_part"): OLD,
        wheel(folder, "probe", "1.1", needs="probe_part"): YOUNG,
        wheel(folder, "probe_part", "1.0"): OLD,
    }

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("/")[2]  # /simple/NAME/ or /files/NAME
            files = [
                {"filename": file.name, "url": f"/files/{file.name}", "hashes": {}, "upload-time": time}
                for file, time in uploaded.items()
                if file.name.split("-")[0].replace("_", "-") == name
            ]
            kind = "application/octet-stream"
            if self.path.startswith("/files/"):
                body = (folder / name).read_bytes()
            elif files:
                kind = "application/vnd.pypi.simple.v1+json"
                body = json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode()
            else:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if self.command == "GET" else b"")

        do_HEAD = do_GET

        def log_message(self, *_) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def venv(tmp_path_factory) -> Path:
    """An environment with pip."""
    folder = tmp_path_factory.mktemp("venv") / "environment"
    made = subprocess.run([PYTHON, "-m", "venv", folder], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip("this Python has no ensurepip")
    return folder


@pytest.fixture
def home(tmp_path, index) -> Path:
    """The folder of a user, who has a constraint that nothing can satisfy."""
    (tmp_path / "home" / "project" / "course").mkdir(parents=True)
    (tmp_path / "home" / "impossible").write_text("probe-part==9\n", encoding="utf-8")
    return tmp_path / "home"


def variables_of(home: Path, **more: str) -> dict[str, str]:
    """The variables of that user, who has no configuration files but those of the test."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_DIRS": str(home / "etc"),
        "UV_CACHE_DIR": str(home / "cache"),
        "PIP_CACHE_DIR": str(home / "cache"),
        "PIP_RETRIES": "0",
        "UV_HTTP_RETRIES": "0",
        "no_proxy": "127.0.0.1",
        **more,
    }


def installs(installer: str, venv: Path, variables: dict[str, str], cwd: Path) -> bool:
    """Whether the installer brings `probe` 1.0 and what it needs into the environment."""
    python = venv / "bin" / "python"
    (site,) = venv.glob("lib/python*/site-packages")
    for leftover in site.glob("probe*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    command = {
        "uv": [UV, "pip", "install", "--python", python],
        "pip": [python, "-m", "pip", "install", "--no-input"],
    }
    done = subprocess.run(
        [*command[installer], "probe==1.0"],
        env=variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    there = (site / "probe.py").is_file() and (site / "probe_part.py").is_file()
    return done.returncode == 0 and there and not (site / "probe.py").is_symlink()


def isolated(variables: dict[str, str], home: Path) -> installer_settings.Settings:
    """What the set-up of a course in that user's folder makes of it."""
    return sort(variables, root=home / "project" / "course", etc=home / "no such folder")


HOSTILE = [
    *(("pip", f"PIP_{name}") for name in ("USER", "REQUIRE_HASHES", "DRY_RUN", "NO_DEPS")),
    *(("pip", f"PIP_{name}") for name in ("TARGET", "PREFIX", "ROOT", "CONSTRAINT", "NO_BINARY", "PYTHON")),
    *(("uv", f"UV_{name}") for name in ("REQUIRE_HASHES", "CONSTRAINT", "OVERRIDE", "EXCLUDE")),
    *(("uv", f"UV_{name}") for name in ("EXCLUDE_NEWER", "CONFIG_FILE", "LINK_MODE", "WORKING_DIRECTORY")),
]  # fmt: skip


@pytest.mark.parametrize(("installer", "variable"), HOSTILE)
def test_a_variable_that_breaks_an_installer(installer, variable, venv, home, index):
    if installer == "uv" and UV is None:
        pytest.skip("uv is not installed")
    places = dict.fromkeys(("TARGET", "PREFIX", "ROOT"), str(home / SECRET))
    files = dict.fromkeys(("CONSTRAINT", "OVERRIDE", "EXCLUDE"), str(home / "impossible"))
    others = {"NO_BINARY": ":all:" if installer == "pip" else "1", "PYTHON": f"/{SECRET}", "EXCLUDE_NEWER": "2019-01-01",
              "CONFIG_FILE": str(home / "own.toml"), "LINK_MODE": "symlink", "WORKING_DIRECTORY": f"/{SECRET}"}  # fmt: skip
    (home / "own.toml").write_text('exclude-newer = "2019-01-01"\n', encoding="utf-8")
    value = (places | files | others).get(variable[4:] if installer == "pip" else variable[3:], "1")
    given = variables_of(home, **{"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index, variable: value})
    assert not installs(installer, venv, given, home)
    settings = isolated(given, home)
    assert installs(installer, venv, settings.variables, home)
    name = f"exclude-newer in {home / 'own.toml'}" if variable == "UV_CONFIG_FILE" else variable
    assert settings.ignored == [name]
    assert value == "1" or str(value) not in str(settings) or variable == "UV_CONFIG_FILE"


PIP_CONF = [
    "user = true",
    "target = /tmp/{secret}",
    "require-hashes = true",
    "constraint = {home}/impossible",
    "no-deps = 1",
]
UV_TOML = ['exclude-newer = "2019-01-01"', "no-binary = true", 'override-dependencies = ["probe-part==9"]',
           'required-version = "==0.0.1"', "[pip]\nrequire-hashes = true", "[pip]\nno-deps = true"]  # fmt: skip


@pytest.mark.parametrize(
    ("installer", "place", "line"),
    [
        *(("pip", ".config/pip/pip.conf", line) for line in PIP_CONF),
        *(
            ("pip", place, "user = true")
            for place in (".pip/pip.conf", "etc/pip/pip.conf", "PIP_CONFIG_FILE")
        ),
        *(("uv", ".config/uv/uv.toml", line) for line in UV_TOML),
        *(
            ("uv", place, UV_TOML[0])
            for place in ("etc/uv/uv.toml", "project/uv.toml", "project/pyproject.toml")
        ),
    ],
)
def test_a_file_that_breaks_an_installer(installer, place, line, venv, home, index):
    if installer == "uv" and UV is None:
        pytest.skip("uv is not installed")
    given = variables_of(home, PIP_INDEX_URL=index, UV_DEFAULT_INDEX=index)
    file = home / place
    if place == "PIP_CONFIG_FILE":
        given[place] = str(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    section = {"pip": "[install]\n", "uv": "[tool.uv]\n" if file.name == "pyproject.toml" else ""}[installer]
    file.write_text(section + line.format(home=home, secret=SECRET) + "\n", encoding="utf-8")
    cwd = home / "project" / "course"
    assert not installs(installer, venv, given, cwd)
    settings = isolated(given, home)
    assert installs(installer, venv, settings.variables, cwd)
    key = line.replace("[pip]\n", "pip.").split(" ")[0]
    assert settings.ignored == [f"{key} in {file}"]


@INSTALLERS
@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("PIP_INDEX_URL", "{index}"),
        ("PIP_EXTRA_INDEX_URL", "{index}"),
        (".config/pip/pip.conf", "[global]\nindex-url = {index}\nuser = true"),
        (".config/pip/pip.conf", "[global]\nindex_url = http://127.0.0.1:9/\n[install]\nindex-url = {index}"),
        (".config/uv/uv.toml", '[[index]]\nname = "mirror"\nurl = "{index}"\ndefault = true'),
        (".config/uv/uv.toml", 'exclude-newer = "2019-01-01"\n[pip]\nindex-url = "{index}"'),
        ("etc/uv/uv.toml", 'index-url = "{index}"'),
        ("project/uv.toml", 'extra-index-url = ["{index}"]'),
    ],
)
def test_the_address_of_the_index_is_kept_wherever_it_stands(installer, place, text, venv, home, index):
    nowhere = "http://127.0.0.1:9/"
    without = variables_of(home / "nobody", PIP_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere)
    assert not installs(installer, venv, without, home)
    given = variables_of(home)
    if place.startswith("PIP_"):
        given[place] = text.format(index=index)
        if place != "PIP_INDEX_URL":
            given |= {"PIP_INDEX_URL": index + "nothing/"}
    else:
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).write_text(text.format(index=index), encoding="utf-8")
        if "extra" in text:
            given |= {"PIP_INDEX_URL": index + "nothing/"}
    assert installs(installer, venv, isolated(given, home).variables, home)


def test_what_reaches_the_index_is_kept_and_the_rest_is_named(tmp_path):
    kept = {
        "PIP_PROXY": "p:1", "PIP_CERT": os.devnull, "PIP_TRUSTED_HOST": "h", "PIP_TIMEOUT": "7", "PIP_CLIENT_CERT": "c",
        "UV_INDEX_MIRROR_PASSWORD": SECRET, "UV_HTTP_CONNECT_TIMEOUT": "3", "UV_CONCURRENT_DOWNLOADS": "1",
        "https_proxy": "http://q:2", "SSL_CERT_DIR": "/certificates", "NETRC": "/netrc", "CC": "gcc-14",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }  # fmt: skip
    quiet = {
        "PIP_QUIET": "3",
        "PIP_LOG": "/nowhere",
        "UV_NO_PROGRESS": "1",
        "UV_TOOL_DIR": "/t",
        "PYTHONWARNINGS": "error",
    }
    ignored = {
        "PIP_INVENTED_NEXT_YEAR": "1",
        "UV_INVENTED_NEXT_YEAR": "1",
        "CFLAGS": "-m32",
        "LDFLAGS": "-static",
        "SETUPTOOLS_EXT_SUFFIX": ".so.of.another.python",
        "_PYTHON_PROJECT_BASE": "/another",
    }
    settings = sort({"HOME": str(tmp_path), "PIP_USER": "", **kept, **quiet, **ignored}, tmp_path, tmp_path)
    assert kept.items() <= settings.variables.items()
    assert not (quiet.keys() | ignored.keys()) & settings.variables.keys()
    assert sorted(settings.ignored) == sorted(ignored)
    assert SECRET not in str(settings)
    for name, value in {"UV_INSECURE_HOST": "h", "UV_HTTP_TIMEOUT": "7", "SSL_CLIENT_CERT": "c",
                        "SSL_CERT_FILE": os.devnull, "HTTP_PROXY": "http://p:1"}.items():  # fmt: skip
        assert settings.variables[name] == value
    assert "HTTPS_PROXY" not in settings.variables  # one is set already, in the other spelling


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("pip/pip.conf", "no section"),
        ("pip/pip.conf", "[global]\nindex-url = http://a\0b/"),
        ("uv/uv.toml", "= broken"),
        ("uv/uv.toml", "pip = 3"),
        ("uv/uv.toml", "index = 3"),
        ("uv/uv.toml", "index = [{url = 3}]"),
        ("uv/uv.toml", "extra-index-url = [{}]"),
        ("uv/uv.toml", 'cache-dir = "a\\u0000b"'),
        ("uv/uv.toml", "a = " + "[" * 100_000),
        ("pyproject.toml", "tool = 3"),
    ],
    ids=range(10),
)
def test_a_file_that_says_nothing_useful_is_passed_over(tmp_path, place, text):
    nobody = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    without = sort(nobody, tmp_path, tmp_path)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(text, encoding="utf-8")
    assert sort(nobody, tmp_path, tmp_path) == without


def test_a_home_that_does_not_exist_is_kept(tmp_path):
    """A name too long for a file makes Path raise, as a folder does that one may not enter; os.path finds nothing."""
    long = "/" + "x" * 300
    settings = sort({"HOME": long, "PIP_CONFIG_FILE": long, "PIP_CERT": long}, tmp_path, tmp_path)
    assert settings.variables["HOME"] == settings.variables["PIP_CERT"] == long
    assert settings.ignored == []


def test_an_empty_value_in_a_file_is_none(tmp_path):
    """As pip takes it; it hides the value of a weaker file."""
    for place, text in (
        ("home/.config/pip/pip.conf", "proxy =\nindex-url =\nuser =\n"),
        ("pip.conf", "proxy = p:1\ncert = c\n"),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("[global]\n" + text, encoding="utf-8")
    settings = sort({"HOME": str(tmp_path / "home")}, tmp_path, tmp_path)
    assert settings.variables["PIP_CERT"] == "c"
    unset = {"PIP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "PIP_INDEX_URL", "UV_DEFAULT_INDEX"}
    assert not unset & settings.variables.keys()
    assert settings.ignored == []


def test_an_option_may_be_written_as_on_the_command_line(tmp_path):
    (tmp_path / "pip.conf").write_text("[global]\n--index-url = http://mirror/\n", encoding="utf-8")
    settings = sort({"HOME": str(tmp_path)}, tmp_path, tmp_path)
    assert settings.variables["UV_DEFAULT_INDEX"] == "http://mirror/"


def test_lists_of_a_variable_and_of_a_file_are_added_up(tmp_path):
    (tmp_path / "uv.toml").write_text(
        'extra-index-url = ["http://file/"]\nfind-links = ["http://links/"]\n', encoding="utf-8"
    )
    given = {"HOME": str(tmp_path), "UV_INDEX": "http://variable/", "UV_FIND_LINKS": "http://own/"}
    settings = sort(given, tmp_path, tmp_path)
    assert settings.variables["UV_INDEX"] == "http://variable/ http://file/"
    assert settings.variables["UV_FIND_LINKS"] == "http://own/,http://links/"


def test_what_no_variable_can_say_of_an_index_is_named(tmp_path):
    text = '[[index]]\nname = "mirror"\nurl = "http://mirror/"\nignore-error-codes = [403]\n'
    (tmp_path / "uv.toml").write_text(text, encoding="utf-8")
    settings = sort({"HOME": str(tmp_path)}, tmp_path, tmp_path)
    assert settings.variables["UV_INDEX"] == "mirror=http://mirror/"
    assert settings.ignored == [f"index.ignore-error-codes in {tmp_path / 'uv.toml'}"]


def test_the_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch):
    """pip takes it so, and uv does not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "wheels").mkdir()
    (tmp_path / "authority.pem").touch()
    given = {
        "PIP_FIND_LINKS": "~/wheels ~/none",
        "PIP_CERT": "~/authority.pem",
        "PIP_CLIENT_CERT": "~/me.pem",
    }
    settings = sort({"HOME": str(tmp_path), **given}, tmp_path, tmp_path)
    assert settings.variables["UV_FIND_LINKS"] == str(tmp_path / "wheels")
    assert settings.variables["SSL_CERT_FILE"] == str(tmp_path / "authority.pem")
    assert settings.variables["SSL_CLIENT_CERT"] == str(tmp_path / "me.pem")


@INSTALLERS
@pytest.mark.parametrize(
    "text",
    ['find-links = ["wheels, of old"]', '[[index]]\nurl = "./wheels, of old"\nformat = "flat"'],
    ids=["find-links", "flat index"],
)
def test_a_folder_of_packages_is_kept_whatever_its_name(installer, text, venv, home, index):
    folder = home / "project" / "wheels, of old"
    folder.mkdir()
    wheel(folder, "probe", "1.0", needs="probe_part")
    wheel(folder, "probe_part", "1.0")
    (home / "project" / "uv.toml").write_text(text, encoding="utf-8")
    given = variables_of(home, UV_DEFAULT_INDEX=index + "nothing/")
    assert installs(installer, venv, isolated(given, home).variables, home)


@pytest.mark.parametrize(
    ("given", "file", "text", "expected"),
    [
        ({"PIP_NO_INDEX": "1"}, "", "", "PIP_NO_INDEX"),
        ({"PIP_NO_INDEX": "0"}, "", "", ""),
        ({"UV_OFFLINE": "true"}, "", "", "UV_OFFLINE"),
        ({}, "pip/pip.conf", "[install]\nno-index = yes", "no-index in "),
        ({}, "uv/uv.toml", "offline = true", "offline in "),
        ({"UV_OFFLINE": "0"}, "uv/uv.toml", "offline = true", ""),
    ],
)
def test_the_wish_to_stay_offline_holds_for_both(tmp_path, given, file, text, expected):
    if file:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(text, encoding="utf-8")
    settings = sort({"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path), **given}, tmp_path, tmp_path)
    assert settings.offline.startswith(expected)
    assert bool(settings.offline) is bool(expected)
    for name in ("UV_OFFLINE", "PIP_NO_INDEX"):
        assert (settings.variables.get(name) in ("1", "true", "yes")) is bool(expected)


# --- all of it, through build.sh -----------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path) -> Path:
    """A copy of the course whose only package is `probe`, and without C."""
    copy = copy_of_the_repository(tmp_path / "home" / "project" / "tiny cöpy")
    (copy / "requirements.txt").write_text("probe==1.0\n", encoding="utf-8")
    shutil.rmtree(copy / "csrc")
    return copy


def machine(folder: Path, installer: str, home: Path, **more: str) -> dict[str, str]:
    """The variables on a machine that has only this installer."""
    programs = {"cc": shutil.which("cc"), "uv": UV if installer == "uv" else None}
    path = machine_with(folder, python3=PYTHON, **programs)["PATH"]
    return variables_of(home, **{"PATH": path, "PYTHON": PYTHON, **more})


@INSTALLERS
def test_everything_hostile_at_once(installer, home, tmp_path, index, tiny):
    names = [name for _, name in HOSTILE if name != "UV_CONFIG_FILE"]
    names += [
        "CFLAGS",
        "LDFLAGS",
        "UV_NO_BINARY",
        "UV_SYSTEM_PYTHON",
        "UV_PYTHON",
        "UV_PROJECT",
        "UV_PYTHON_PREFERENCE",
    ]
    given = dict.fromkeys(names, f"/{SECRET}")
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        f"[global]\nindex-url = {index}\ntarget = /{SECRET}\n", encoding="utf-8"
    )
    (home / "project" / "uv.toml").write_text('exclude-newer = "7 days"\n', encoding="utf-8")
    done = build(tiny, "setup", env=machine(tmp_path / "bin", installer, home, **given))
    assert done.stdout == f"Ready: {tiny / environment_name()}\n", done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("Ignored"))
    named = line.partition(": ")[2].split(", ")
    files = [f"target in {home}/.config/pip/pip.conf", f"exclude-newer in {home}/project/uv.toml"]
    assert sorted(named) == sorted(names + files)
    assert SECRET not in done.stderr
    assert list((tiny / environment_name()).glob("lib/*/site-packages/probe_part.py"))


@INSTALLERS
@pytest.mark.parametrize("wish", ["PIP_NO_INDEX", "UV_OFFLINE", "pip.conf"])
def test_a_wish_to_stay_offline_is_named_when_something_is_missing(
    installer, wish, home, tmp_path, index, tiny
):
    given = {"PIP_INDEX_URL": index} | ({wish: "1"} if wish.isupper() else {})
    if not given.keys() - {"PIP_INDEX_URL"}:
        (home / ".pip").mkdir()
        (home / ".pip" / "pip.conf").write_text("[install]\nno-index = true\n", encoding="utf-8")
    done = build(tiny, "setup", env=machine(tmp_path / "bin", installer, home, **given))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    named = wish if wish.isupper() else f"no-index in {home}/.pip/pip.conf"
    assert last.startswith("build.sh: the packages cannot be installed: " + named), done.stderr
    assert "without that setting" in last


def test_a_setting_that_stops_pip_does_not_cost_the_environment(home, tmp_path, index, tiny):
    """An environment that only pip can fill is filled further, and not made again."""
    given = machine(tmp_path / "bin", "pip", home, PIP_INDEX_URL=index)
    done = build(tiny, "setup", env=given)
    assert done.returncode == 0, done.stderr
    (tiny / "requirements.txt").write_text("probe==1.0\nprobe_part==1.0\n", encoding="utf-8")
    done = build(tiny, "setup", env={**given, "PIP_PYTHON": f"/{SECRET}"})
    assert done.returncode == 0, done.stderr
    assert "again" not in done.stderr


@INSTALLERS
def test_a_version_that_the_index_does_not_have_is_not_a_missing_network(
    installer, home, tmp_path, index, tiny
):
    (tiny / "requirements.txt").write_text("probe==9\n", encoding="utf-8")
    done = build(tiny, "setup", env=machine(tmp_path / "bin", installer, home, PIP_INDEX_URL=index))
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert "cannot be reached" not in last
    assert "probe==9" in last
