"""Chooses what of a server.json the hub installs or connects to, and checks that it is safe to hand to an installer.
Pure.

Schema 2025-12-11 of the MCP registry (docs/reference/server-json): `packages` run on this machine, `remotes` are
reached by URL.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from yamcp_ui_adapter.activation.errors import EntryUnsupported

META = "yamcp-hub/catalog"
Kind = Literal["npm", "pypi", "mcpb", "oci", "hub", "remote"]
Json = Mapping[str, Any]

REMOTE_TRANSPORTS = {"streamable-http": "http", "sse": "sse"}
PUBLIC_REGISTRIES = frozenset({"", "https://registry.npmjs.org", "https://pypi.org"})
"""Registries whose packages are installed from where this machine's npm and pip are configured to load them."""
BUILT_IN = "yamcp-hub"
"""The `registryType` of what runs a program of the hub itself."""
OWN_SERVERS = ("python", "openapi")
"""Its identifiers: a Python file, an OpenAPI document (docs/own-tools.md)."""
NPM_FLAGS = frozenset({"-y", "--yes"})
"""Arguments of npx that have no meaning for an installed package."""

_NPM_NAME = re.compile(r"(?:@[A-Za-z0-9~][A-Za-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*")
_PYPI_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._,-]+\])?")
_OCI_NAME = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]*(?:@sha256:[0-9a-f]{64})?")
_NPM_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_PYPI_VERSION = re.compile(r"\d[A-Za-z0-9.!+_-]*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._,-]+\])?(?: ?[<>=!~][A-Za-z0-9.*+!,<>=~ -]*)?")
_HTTP_URL = re.compile(r"https?://[^\s]+")
_HTTPS_URL = re.compile(r"https://[^\s]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MINOR = re.compile(r"3\.\d{1,3}")
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Target:
    """The package or the remote of an entry that the hub uses."""

    kind: Kind
    identifier: str
    """The package's name, the path of a local file, the image, the URL, or one of OWN_SERVERS."""
    version: str = ""
    """Exact; may be empty for images and local files. Of a remote, that of its entry."""
    local: bool = False
    """Whether the identifier is a file of this machine."""
    sha256: str = ""
    """Of a bundle (hex)."""
    program: str = ""
    """The program within the package, if the entry names it."""
    requirements: tuple[str, ...] = ()
    """Further requirements of a Python package, such as `mcp<2`."""
    transport: str = ""
    """Of a remote: `http` or `sse`."""
    runtime_arguments: tuple[Json, ...] = ()
    arguments: tuple[Json, ...] = ()
    variables: tuple[Json, ...] = ()
    """Environment variables."""
    headers: tuple[Json, ...] = ()
    url_variables: Mapping[str, Json] | None = None


def target_of(entry: Json, *, local: bool = False) -> Target:
    """Return the first package over stdio that the hub can install, otherwise the first remote.

    `local`: whether packages may be files of this machine, as in the user's own entries.

    Raises:
        EntryUnsupported: there is none; the message has the reason for each.
    """
    reasons: list[str] = []
    meta = _object(_object(entry.get("_meta")).get(META))
    for package in _objects(entry.get("packages")):
        try:
            return _package(package, meta, str(entry.get("version", "")), local=local)
        except EntryUnsupported as error:
            reasons.append(error.message)
    for remote in _objects(entry.get("remotes")):
        if remote.get("type") in REMOTE_TRANSPORTS and isinstance(remote.get("url"), str):
            return _remote(remote, str(entry.get("version", "")))
        reasons.append(f"A remote of type {remote.get('type')!r} is not supported.")
    why = " ".join(reasons) or "It has neither packages nor remotes."
    raise EntryUnsupported(f"The entry {entry.get('name')!r} cannot be used: {why}")


def _package(package: Json, meta: Json, version: str, *, local: bool) -> Target:
    kind, identifier = package.get("registryType"), package.get("identifier")
    if kind == BUILT_IN:
        return _built_in(package, meta, version)
    if kind not in ("npm", "pypi", "mcpb", "oci") or not isinstance(identifier, str):
        raise EntryUnsupported(f"Packages of type {kind!r} are not supported.")
    if _object(package.get("transport")).get("type", "stdio") != "stdio":
        raise EntryUnsupported(f"The package {identifier!r} does not speak over stdio.")
    if kind in ("npm", "pypi") and str(package.get("registryBaseUrl") or "").rstrip("/") not in PUBLIC_REGISTRIES:
        raise EntryUnsupported(f"The package {identifier!r} is in a registry of its own, which is not supported.")
    path = _local_path(identifier)
    if path and not local:
        raise EntryUnsupported("A file of this machine can be used by the user's own entries only.")
    made = Target(
        kind=kind,
        identifier=path or identifier,
        version=str(package.get("version") or (version if path or kind == "mcpb" else "")),
        local=bool(path),
        sha256=str(package.get("fileSha256", "")) if kind == "mcpb" else "",
        program=_program(meta.get("command")),
        requirements=_requirements(meta.get("with"), package) if kind == "pypi" else (),
        runtime_arguments=_runtime(kind, package),
        arguments=_objects(package.get("packageArguments")),
        variables=_objects(package.get("environmentVariables")),
    )
    _check(made)
    if kind == "pypi":
        _check_python(identifier, meta.get("python"))
    return made


def _built_in(package: Json, meta: Json, version: str) -> Target:
    """A program of the hub. Only entries of the hub and of the user have its `_meta`: that of registries is dropped."""
    identifier = package.get("identifier")
    if identifier not in OWN_SERVERS or meta.get("built_in") is not True:
        raise EntryUnsupported(f"The hub has no program {identifier!r} for this entry.")
    return Target(
        kind="hub",
        identifier=identifier,
        version=version,
        arguments=_objects(package.get("packageArguments")),
        variables=_objects(package.get("environmentVariables")),
    )


def _remote(remote: Json, version: str) -> Target:
    url = remote["url"]
    if not _HTTP_URL.fullmatch(url):
        raise EntryUnsupported(f"The address {url!r} is not one of http:// or https://.")
    variables = {name: value for name, value in _object(remote.get("variables")).items() if isinstance(value, Mapping)}
    return Target(
        kind="remote",
        identifier=url,
        version=version,
        transport=REMOTE_TRANSPORTS[remote["type"]],
        headers=_objects(remote.get("headers")),
        url_variables=variables,
    )


def _check(target: Target) -> None:
    """Check that nothing in it means something else to an installer than a package's name and version.

    Raises:
        EntryUnsupported: it does.
    """
    name, version = target.identifier, target.version
    if target.kind == "oci":
        if not _OCI_NAME.fullmatch(name):
            raise EntryUnsupported(f"{name!r} is not the name of an image.")
        return
    if target.kind == "mcpb":
        if not (target.local or _HTTPS_URL.fullmatch(name)) or not _SHA256.fullmatch(target.sha256):
            raise EntryUnsupported(f"The bundle {name!r} has no https:// address, or no SHA-256 (`fileSha256`).")
        return
    if target.local:
        if not name.endswith((".tgz", ".tar.gz", ".whl")):
            raise EntryUnsupported(f"The file {name!r} is neither a tarball of npm nor a wheel.")
        return
    names, versions = (_NPM_NAME, _NPM_VERSION) if target.kind == "npm" else (_PYPI_NAME, _PYPI_VERSION)
    if not names.fullmatch(name):
        raise EntryUnsupported(f"{name!r} is not the name of a package.")
    if not versions.fullmatch(version):
        raise EntryUnsupported(f"The package {name!r} has no exact version, but {version!r}.")


def _check_python(name: str, least: Any) -> None:
    """Check that the hub's Python, in which packages are installed, is new enough. Raises EntryUnsupported."""
    here = ".".join(map(str, sys.version_info[:2]))
    if isinstance(least, str) and _MINOR.fullmatch(least) and _minor(least) > _minor(here):
        raise EntryUnsupported(f"The package {name!r} needs Python {least} or later; the hub runs on Python {here}.")


def _minor(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _local_path(identifier: str) -> str:
    path = identifier.removeprefix("file://").removeprefix("file:")
    if identifier.startswith(("/", "file:")) and path.startswith("/") and ".." not in PurePosixPath(path).parts:
        return path
    return ""


def _program(given: Any) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or not _PROGRAM.fullmatch(given):
        raise EntryUnsupported(f"{given!r} is not the name of a program.")
    return given


def _requirements(given: Any, package: Json) -> tuple[str, ...]:
    """The requirements of the hub's `_meta`, and those of `uvx --with`."""
    found = [*given] if isinstance(given, list) else []
    found += [each.get("value") for each in _objects(package.get("runtimeArguments")) if each.get("name") == "--with"]
    for each in found:
        if not isinstance(each, str) or not _REQUIREMENT.fullmatch(each):
            raise EntryUnsupported(f"{each!r} is not a requirement of a Python package.")
    return tuple(found)


def _runtime(kind: str, package: Json) -> tuple[Json, ...]:
    """The arguments for the runtime that matter for an installed package. Raises EntryUnsupported for unknown ones."""
    kept = []
    for each in _objects(package.get("runtimeArguments")):
        name = str(each.get("name") or each.get("value") or "")
        if kind == "npm" and package.get("runtimeHint") == "node":
            kept.append(each)
        elif not (
            (kind == "npm" and name in NPM_FLAGS)
            or (kind == "pypi" and name == "--with")
            or (kind == "oci" and name in ("-i", "--rm", "--interactive", "run"))
        ):
            raise EntryUnsupported(f"The package needs {name!r} of its runtime, which the hub does not support.")
    return tuple(kept)


def _object(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> tuple[Json, ...]:
    return tuple(_each(value)) if isinstance(value, list | tuple) else ()


def _each(values: Any) -> Iterator[Json]:
    for value in values:
        if isinstance(value, Mapping):
            yield value
