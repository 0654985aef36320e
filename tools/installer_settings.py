"""What pip and uv find in the variables and configuration files of whoever runs the set-up, sorted into three kinds.

Kept        how the package index is reached: its address, proxies, certificates, credentials, time-outs, caches, and the wish
            to stay offline. Whether it stood in a variable or in a file, and whether it was meant for pip or for uv.
Ignored     everything else that could change what is installed, or where, or whether at all. The set-up says so in one line.
Not named   what cannot change that: how much an installer talks, and what belongs to other commands.

It is a list of what is kept, so a setting that pip or uv gets next year is ignored until somebody has read what it does.
Standard library only. Where the files are, and which one wins:
https://pip.pypa.io/en/stable/topics/configuration/ and https://docs.astral.sh/uv/concepts/configuration-files/
"""

from __future__ import annotations

import configparser
import functools
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environment import ROOT

# Options of pip, as they are called in a file; the variable is PIP_ and the name in capitals.
PIP_KEPT = {
    *("index-url", "pypi-url", "extra-index-url", "find-links", "no-index"),
    *("proxy", "no-proxy-env", "trusted-host", "cert", "client-cert", "keyring-provider"),
    *("timeout", "default-timeout", "retries", "resume-retries", "cache-dir", "no-cache-dir"),
}
PIP_FEATURES = {
    "use-feature": "truststore",
    "use-deprecated": "legacy-certs",
}  # the values about certificates
PIP_NOT_NAMED = {
    *("config-file", "disable-pip-version-check", "no-input", "quiet", "verbose", "log", "no-color"),
    *("progress-bar", "root-user-action", "no-warn-script-location", "no-python-version-warning"),
    *("require-virtualenv", "exists-action", "debug"),
}
PIP_SECTIONS = ("global", "install")  # the second wins

# Variables of uv.
UV_KEPT = re.compile(
    r"UV_(?:DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|OFFLINE|INDEX_STRATEGY"
    r"|INDEX_\w+_(?:USERNAME|PASSWORD)|KEYRING_PROVIDER|CREDENTIALS_DIR|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST"
    r"|HTTP_\w+|REQUEST_TIMEOUT|CONCURRENT_\w+|CACHE_DIR|NO_CACHE|S3_ENDPOINT_URL|GCS_ENDPOINT_URL|AZURE_ENDPOINT_URL"
    r"|MALWARE_CHECK\w*)"
)
UV_NOT_NAMED = re.compile(
    r"UV_(?:CONFIG_FILE|NO_CONFIG|NO_PROGRESS|LOG_\w+|SHOW_\w+|STACK_SIZE|LOCK_TIMEOUT|PREVIEW\w*"
    r"|(?:TOOL|PUBLISH|PYTHON_INSTALL|INSTALL|INSTALLER|RUN|INIT|INTERNAL)_\w+|PYTHON_BIN_DIR|GITHUB_TOKEN|NO_MODIFY_PATH"
    r"|UNMANAGED_INSTALL|ENV_FILE|NO_ENV_FILE|CUSTOM_COMPILE_COMMAND)"
)
# Keys of uv.toml, at its top or under [pip], and the variable that says the same.
UV_FILE_KEPT = {
    "index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "index": "UV_INDEX", "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX", "offline": "UV_OFFLINE", "index-strategy": "UV_INDEX_STRATEGY",
    "keyring-provider": "UV_KEYRING_PROVIDER", "native-tls": "UV_NATIVE_TLS", "system-certs": "UV_SYSTEM_CERTS",
    "allow-insecure-host": "UV_INSECURE_HOST", "cache-dir": "UV_CACHE_DIR", "no-cache": "UV_NO_CACHE",
    "concurrent-downloads": "UV_CONCURRENT_DOWNLOADS", "http-proxy": "HTTP_PROXY", "https-proxy": "HTTPS_PROXY",
    "no-proxy": "NO_PROXY",
}  # fmt: skip
UV_FILE_NOT_NAMED = {
    *("preview", "preview-features", "python-downloads", "python-install-mirror", "pypy-install-mirror"),
    *("python-downloads-json-url", "publish-url", "check-url", "trusted-publishing", "add-bounds"),
    *("concurrent-builds", "concurrent-installs"),
    # of pyproject.toml: about the project that it describes
    *(
        "workspace",
        "sources",
        "managed",
        "package",
        "dev-dependencies",
        "default-groups",
        "dependency-groups",
    ),
    *("conflicts", "environments", "required-environments", "build-backend"),
}
# Keys of one [[index]]: what as_variables takes over, and what uv asks for when it publishes.
UV_INDEX_KEYS = {"name", "url", "default", "explicit", "format", "publish-url"}
# Variables that hold several values, and what stands between those.
LISTS = {"UV_INDEX": " ", "UV_FIND_LINKS": ",", "UV_INSECURE_HOST": " ", "NO_PROXY": ","}

# What changes how setuptools compiles. CC is kept: it is how one says which compiler.
BUILD_IGNORED = {
    *(
        "CFLAGS",
        "CXXFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "LDSHARED",
        "LDCXXSHARED",
        "ARCHFLAGS",
        "CPP",
        "AR",
        "ARFLAGS",
    ),
    "DIST_EXTRA_CONFIG",
}
BUILD_IGNORED_PREFIXES = ("SETUPTOOLS_", "DISTUTILS_", "_PYTHON_")
# Which keyring holds the credentials. All other variables of Python are dropped.
PYTHON_KEPT = {"PYTHON_KEYRING_BACKEND"}


@dataclass
class Settings:
    """The result: what an installer is started with, and what to tell.

    `variables`: the whole environment of an installer. `ignored`: names, those from a file with the file; never values, which
    may hold passwords. `offline`: the setting that asks for no downloads, or "".
    """

    variables: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    offline: str = ""

    def __str__(self) -> str:
        return f"Ignored here, where the course decides what it installs: {', '.join(self.ignored)}"


@functools.cache
def settings() -> Settings:
    """What this process was started with."""
    return sort(os.environ)


def sort(given: Mapping[str, str], root: Path = ROOT, etc: Path = Path("/etc")) -> Settings:
    """Read variables and files; `etc` is where those of the whole system are."""
    result = Settings()
    for name, value in given.items():
        if name in BUILD_IGNORED or name.startswith(BUILD_IGNORED_PREFIXES):
            result.ignored += [name] if value else []
        elif name in PYTHON_KEPT or not name.startswith(("PIP_", "UV_", "PYTHON")):
            result.variables[name] = value
    # os.path: Path's methods raise where a folder may not be entered, as root's HOME after a change of user
    if os.path.isfile(home(given) / ".pydistutils.cfg"):
        result.ignored.append(str(home(given) / ".pydistutils.cfg"))
    pip, pip_wish = from_pip(given, etc, result.ignored)
    uv, uv_wish = from_uv(given, root, etc, result.ignored)
    result.offline = pip_wish or uv_wish
    meet(pip, uv)
    result.variables |= {f"PIP_{name.replace('-', '_').upper()}": value for name, value in pip.items()}
    # os.devnull: what pip itself takes for "no configuration file at all".
    result.variables |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NO_CONFIG": "1",
    }
    for name, value in uv.items():
        # Proxies and certificates are not uv's alone: a variable that is set already wins.
        if name.startswith("UV_") or not {name, name.lower()} & result.variables.keys():
            result.variables[name] = value
    # A variable cannot hold this character, and a file can.
    result.variables = {name: value for name, value in result.variables.items() if "\0" not in value}
    return result


def home(given: Mapping[str, str]) -> Path:
    """The user's home folder."""
    return Path(given.get("HOME") or os.path.expanduser("~"))


def true(value: object) -> bool:
    """What pip and uv take for yes."""
    return str(value).strip().lower() in {"1", "true", "yes", "on", "y", "t"}


# --- pip ----------------------------------------------------------------------------------------------------------------


def pip_files(given: Mapping[str, str], etc: Path) -> Iterator[Path]:
    """pip's configuration files, the strongest last."""
    own = given.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    if sys.platform == "darwin":
        yield Path("/Library/Application Support/pip/pip.conf")
    for folder in (given.get("XDG_CONFIG_DIRS") or str(etc / "xdg")).split(os.pathsep):
        yield Path(folder, "pip", "pip.conf")
    yield etc / "pip.conf"
    if not (own and os.path.exists(own)):
        yield home(given) / ".pip" / "pip.conf"
        if sys.platform == "darwin":
            yield home(given) / "Library" / "Application Support" / "pip" / "pip.conf"
        yield Path(given.get("XDG_CONFIG_HOME") or home(given) / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix, "pip.conf")
    if own:
        yield Path(own)


def from_pip(given: Mapping[str, str], etc: Path, ignored: list[str]) -> tuple[dict[str, str], str]:
    """Return the kept options of pip by name and the one that asks for no downloads, or ""; add the ignored ones."""
    found: list[tuple[str, str, str]] = []  # name, value, how to call it; the strongest last
    for section in PIP_SECTIONS:
        options: dict[str, tuple[str, str]] = {}
        for file in pip_files(given, etc):
            parser = configparser.RawConfigParser()
            try:
                parser.read(file)
            except (configparser.Error, UnicodeDecodeError):
                continue
            if parser.has_section(section):
                for key, value in parser[section].items():
                    options[key.replace("_", "-").removeprefix("--")] = value, f"{key} in {file}"
        # An empty value is none. It still hides that of a weaker file.
        found += [(name, value, label) for name, (value, label) in options.items() if value.strip()]
    for variable, value in sorted(given.items()):
        if variable.startswith("PIP_") and value.strip():
            found.append((variable[4:].lower().replace("_", "-"), value, variable))
    kept, wish = {}, ""
    for name, value, label in found:
        if name in PIP_KEPT:
            kept[name] = value
            if name == "no-index":
                wish = label if true(value) else ""
        elif name in PIP_FEATURES and value.split() == [PIP_FEATURES[name]]:
            kept[name] = value
        elif name not in PIP_NOT_NAMED and label not in ignored:
            ignored.append(label)
    return kept, wish


# --- uv -----------------------------------------------------------------------------------------------------------------


def uv_files(given: Mapping[str, str], root: Path, etc: Path) -> Iterator[Path]:
    """uv's configuration files, the strongest last."""
    if given.get("UV_CONFIG_FILE"):
        yield Path(given["UV_CONFIG_FILE"])
        return
    if true(given.get("UV_NO_CONFIG", "")):
        return
    folders = given.get("XDG_CONFIG_DIRS") or str(etc / "xdg")
    system = [Path(folder, "uv", "uv.toml") for folder in folders.split(os.pathsep)]
    yield next((file for file in system if os.path.isfile(file)), etc / "uv" / "uv.toml")
    yield Path(given.get("XDG_CONFIG_HOME") or home(given) / ".config") / "uv" / "uv.toml"
    for folder in (root, *root.parents):  # the nearest one only
        for file in (folder / "uv.toml", folder / "pyproject.toml"):
            if uv_table(file):
                yield file
                return


def uv_table(file: Path) -> dict[str, Any]:
    """The settings of uv in a file; {} when there are none, or it cannot be read."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if file.name == "pyproject.toml":
        tool = table.get("tool")
        table = tool.get("uv") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) and isinstance(table.get("pip", {}), dict) else {}


def from_uv(
    given: Mapping[str, str], root: Path, etc: Path, ignored: list[str]
) -> tuple[dict[str, str], str]:
    """Return the kept settings of uv as variables and the one that asks for no downloads, or ""; add the ignored ones."""
    kept: dict[str, str] = {}
    labels: dict[str, str] = {}
    for file in uv_files(given, root, etc):
        table = uv_table(file)
        under = table.pop("pip", {})
        pairs = [(key, key, value) for key, value in table.items()]
        pairs += [(f"pip.{key}", key, value) for key, value in under.items()]
        for label, key, value in pairs:
            if key == "index" and isinstance(value, list):
                keys = {inner for each in value if isinstance(each, dict) for inner in each}
                ignored += [f"{label}.{inner} in {file}" for inner in sorted(keys - UV_INDEX_KEYS)]
            if key in UV_FILE_KEPT:
                for name, text in as_variables(key, value, file.parent):
                    if name in LISTS and name in kept:  # the stronger file first, and the weaker one too
                        text += LISTS[name] + kept[name]
                    kept[name], labels[name] = text, f"{label} in {file}"
            elif key not in UV_FILE_NOT_NAMED:
                ignored.append(f"{label} in {file}")
    if given.get("UV_INDEX_URL"):  # the older name of this variable, and stronger than a file
        kept.pop("UV_DEFAULT_INDEX", None)
    for variable, value in sorted(given.items()):
        if not variable.startswith("UV_") or not value.strip():
            continue
        if UV_KEPT.fullmatch(variable):
            if variable in LISTS and variable in kept:  # uv adds the lists of files to that of the variable
                value += LISTS[variable] + kept[variable]
            kept[variable], labels[variable] = value, variable
        elif not UV_NOT_NAMED.fullmatch(variable):
            ignored.append(variable)
    wishes = (labels[name] for name in ("UV_OFFLINE", "UV_NO_INDEX") if true(kept.get(name, "")))
    return kept, next(wishes, "")


def as_variables(key: str, value: Any, folder: Path) -> Iterator[tuple[str, str]]:
    """One kept key of uv.toml as variables; relative paths there are relative to the file's folder."""
    name = UV_FILE_KEPT[key]
    separator = LISTS.get(name, " ")
    values = value if isinstance(value, list) else [value]
    if key == "index":
        tables = [
            each
            for each in values
            if isinstance(each, dict) and isinstance(each.get("url"), str) and not each.get("explicit")
        ]
        # A list of files and no index, which no variable of an index can say.
        if flat := [located(each["url"], folder) for each in tables if each.get("format") == "flat"]:
            yield "UV_FIND_LINKS", LISTS["UV_FIND_LINKS"].join(flat)
        tables = [each for each in tables if each.get("format") != "flat"]
        for default in (True, False):
            texts = [
                f"{each['name']}={located(each['url'], folder)}"
                if "name" in each
                else located(each["url"], folder)
                for each in tables
                if bool(each.get("default")) is default
            ]
            if texts:
                yield "UV_DEFAULT_INDEX" if default else name, separator.join(texts)
        return
    texts = [
        str(each).lower() if isinstance(each, bool) else str(each)
        for each in values
        if isinstance(each, (str, int))
    ]
    if key in {"index-url", "extra-index-url", "find-links"}:
        texts = [located(each, folder) for each in texts]
    elif key == "cache-dir":
        texts = [str(folder / os.path.expanduser(each)) for each in texts]
    if texts:
        yield name, separator.join(texts)


def located(place: str, folder: Path) -> str:
    """An address as it is; a path from the folder as an address, which is never split at a space or comma."""
    return place if "://" in place else Path(os.path.abspath(folder / os.path.expanduser(place))).as_uri()


# --- both ---------------------------------------------------------------------------------------------------------------


def meet(pip: dict[str, str], uv: dict[str, str]) -> None:
    """Let each installer reach the index by what the other was told, where it was told nothing itself."""
    if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & uv.keys() and "index-url" in pip:
        uv["UV_DEFAULT_INDEX"] = pip["index-url"]
    if not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & uv.keys() and "extra-index-url" in pip:
        uv["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
        uv.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # all indexes are equal: pip's rule
    if "UV_FIND_LINKS" not in uv and "find-links" in pip:
        # uv refuses a folder that is not there, pip goes on.
        links = [os.path.expanduser(link) for link in pip["find-links"].split()]
        there = [link for link in links if "://" in link or os.path.isdir(link)]
        uv |= {"UV_FIND_LINKS": ",".join(there)} if there else {}
    if "UV_INSECURE_HOST" not in uv and "trusted-host" in pip:
        uv["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if "UV_HTTP_TIMEOUT" not in uv and (
        match := re.match(r"\d+", pip.get("timeout", pip.get("default-timeout", "")))
    ):
        uv["UV_HTTP_TIMEOUT"] = match[0]
    if "UV_KEYRING_PROVIDER" not in uv and pip.get("keyring-provider") == "subprocess":
        uv["UV_KEYRING_PROVIDER"] = "subprocess"
    if "proxy" in pip:
        proxy = pip["proxy"] if "://" in pip["proxy"] else f"http://{pip['proxy']}"
        uv |= {name: uv.get(name, proxy) for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    if os.path.exists(certificates := os.path.expanduser(pip.get("cert", ""))):
        uv["SSL_CERT_DIR" if os.path.isdir(certificates) else "SSL_CERT_FILE"] = certificates
    if "client-cert" in pip:
        uv["SSL_CLIENT_CERT"] = os.path.expanduser(pip["client-cert"])
    if true(pip.get("no-index", "")):
        uv.setdefault("UV_OFFLINE", "1")  # rather than UV_NO_INDEX: what is in uv's cache needs no index
    if any(true(uv.get(name, "")) for name in ("UV_OFFLINE", "UV_NO_INDEX")):
        pip.setdefault("no-index", "1")
    own = uv.get("UV_INDEX_URL") or uv.get("UV_DEFAULT_INDEX", "")
    if "index-url" not in pip and own:
        pip["index-url"] = re.sub(r"^[\w.-]+=(?=\w+://)", "", own)  # without the name
    if "extra-index-url" not in pip and (extra := uv.get("UV_INDEX") or uv.get("UV_EXTRA_INDEX_URL")):
        pip["extra-index-url"] = " ".join(re.sub(r"^[\w.-]+=(?=\w+://)", "", each) for each in extra.split())
    if "find-links" not in pip and "UV_FIND_LINKS" in uv:
        pip["find-links"] = " ".join(located(link, ROOT) for link in uv["UV_FIND_LINKS"].split(",") if link)
