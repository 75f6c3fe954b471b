"""A FastMCP server made of an OpenAPI document: each operation is a tool, which sends a request to the API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastmcp import FastMCP
from fastmcp.server.providers.openapi import MCPType, RouteMap

from own_servers.errors import OwnServerError

if TYPE_CHECKING:
    import httpx2

MAX_DOCUMENT = 16 * 1024 * 1024
"""Bytes of a document."""
TIMEOUT = 60.0
"""Seconds that the API may take for a request."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def server_of(path: Path, url: str, headers: list[str], environment: Mapping[str, str]) -> FastMCP[Any]:
    """The server for an API that a document describes and that is reached below `url`.

    `headers` are `NAME=VALUE`, sent with each request; `${VARIABLE}` in a value is taken from `environment`.

    Raises:
        OwnServerError: the document or an argument is not valid.
    """
    document = _document(path)
    client = _client(url, dict(_header(text, environment) for text in headers))
    title = _title(document) or path.stem
    try:
        every_operation_a_tool = [RouteMap(mcp_type=MCPType.TOOL)]
        return FastMCP.from_openapi(document, client, name=title, route_maps=every_operation_a_tool)
    except Exception as error:
        text = " ".join(str(error).split())
        raise OwnServerError(f"{path}: the document cannot be used: {type(error).__name__}: {text[:500]}") from None


def all_set(text: str, environment: Mapping[str, str]) -> bool:
    """Whether all variables of a text have a value in `environment`."""
    return all(environment.get(variable) for variable in _VARIABLE.findall(text))


def _client(url: str, headers: dict[str, str]) -> httpx2.AsyncClient:
    import httpx2  # noqa: PLC0415 (a Python file needs no HTTP client)

    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise OwnServerError(f"--url {url}: not an http or https address")
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT)


def _document(path: Path) -> dict[str, Any]:
    """The parsed document. The suffix .yaml or .yml means YAML, everything else JSON."""
    try:
        if path.stat().st_size > MAX_DOCUMENT:
            raise OwnServerError(f"{path}: larger than {MAX_DOCUMENT} bytes")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OwnServerError(f"{path}: cannot be read: {error}") from None
    load = _load_yaml if path.suffix in (".yaml", ".yml") else json.loads
    try:
        found = load(text)
    except (ValueError, RecursionError) as error:
        raise OwnServerError(f"{path}: {' '.join(str(error).split())}") from None
    version = found.get("openapi") if isinstance(found, dict) else None
    if not isinstance(version, str) or not version.startswith("3."):
        raise OwnServerError(f"{path}: not an OpenAPI document of version 3: its field `openapi` is {version!r}")
    return dict(found)


def _load_yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 (most documents are JSON)

    loader: Callable[[str], Any] = yaml.safe_load
    try:
        return loader(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _title(document: Mapping[str, Any]) -> str:
    info = document.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    return title if isinstance(title, str) else ""


def _header(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """A header and its value. Errors do not show values, which may be secret."""
    name, equals, value = text.partition("=")
    if not equals or not _HEADER.fullmatch(name):
        raise OwnServerError("--header: not NAME=VALUE")
    missing = [variable for variable in _VARIABLE.findall(value) if variable not in environment]
    if missing:
        raise OwnServerError(f"--header {name}: the variable {missing[0]} is not set")
    filled = _VARIABLE.sub(lambda match: environment[match[1]], value)
    if not filled.isascii() or not filled.isprintable():
        raise OwnServerError(f"--header {name}: its value has characters that headers cannot have")
    return name, filled
