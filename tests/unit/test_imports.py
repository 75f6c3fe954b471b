"""The import rules within packages: where FastMCP is used, what is pure, who wires. Among packages: test_rooms.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bridge", "sidecar", "hubctl", "yamcp_ui_adapter", "demo_servers", "acceptor", "recorder", "own_servers")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
LONGEST = 400

SDK_FILES = {
    "sidecar/calls/fastmcp_server.py",
    "own_servers/__main__.py",
    "own_servers/openapi.py",
    "own_servers/python_file.py",
    *(f"sidecar/upstream_auth/{name}.py" for name in ("discovery", "registration", "token_endpoint", "sign_ins")),
}
SDK_PACKAGES = {"sidecar.hub_tools"}
"""Packages that use FastMCP by its public interface."""
SDK_PUBLIC = {"mcp_types.version", "mcp.shared.message", "mcp.shared.inbound"}
"""Of FastMCP and the MCP SDK, what other files may use too: data, and what is computed of data alone."""
WIRING = {"app", "__main__"}
IO = {"asyncio", "socket", "subprocess", "zmq", "watchfiles", "uvicorn", "starlette", "httpx2", "threading", "anyio"}
"""What no pure module imports."""
PURE = re.compile(r"\(pure\)|\bPure\b")
ONLY = {
    "uvicorn": {"sidecar.listener.server", "sidecar.listener.http_protocol"},
    "uvicorn.protocols": {"sidecar.listener.http_protocol"},
    "httpx2": {
        *("sidecar.access.jwks", "sidecar.channels", "sidecar.placement.kubernetes", "sidecar.upstream_auth"),
        *("hubctl.stdio.stream", "own_servers.openapi", "yamcp_ui_adapter.catalog.registry_client"),
    },
    "joserfc": {"sidecar.access.jwks", "sidecar.access.jwt_tokens"},
    "websockets": {"sidecar.channels"},
    "zmq": {"bridge.sockets"},
    "sqlite3": {"recorder.sql.sqlite", "recorder.sql.sqlite_care", "recorder.sql.sqlite_errors"},
    "asyncpg": {"bridge.postgresql.connection", "recorder.sql.postgres", "recorder.sql.postgres_errors"},
}
"""Who may import what."""


def name_of(path: Path) -> str:
    """`sidecar/features/names.py` is sidecar.features.names."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


class Source(NamedTuple):
    """What the rules ask of a file: its docstring, what it imports, and what it imports when it is run."""

    docstring: str
    imports: frozenset[str]
    carried_out: frozenset[str]


@cache
def source(path: Path) -> Source:
    """Each file is parsed once for all rules: parsing the product takes seconds.

    What only type checkers import is not carried out.
    """
    tree = ast.parse(path.read_text("utf-8"))
    imports = frozenset(imported_by(tree))
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return Source(ast.get_docstring(tree) or "", imports, frozenset(imported_by(tree)))


def imports(path: Path) -> frozenset[str]:
    """Every module that the file imports, wherever in it; relative imports are not used."""
    return source(path).imports


def imported_by(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported somewhere in a parsed file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def under(names: set[str], module: str) -> bool:
    """Whether the module is one of these, or within one."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_sdk_is_used_in_one_place(path: Path) -> None:
    """FastMCP and the SDK are pinned for the sake of one file, which alone knows their insides."""
    if str(path.relative_to(ROOT)) in SDK_FILES or under(SDK_PACKAGES, name_of(path)):
        return
    used = [module for module in imports(path) if under({"fastmcp", "mcp", "mcp_types"}, module)]
    assert not [module for module in used if not under(SDK_PUBLIC, module)]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_wiring_is_done_at_the_top(path: Path) -> None:
    """`app` is imported by `__main__` alone, and `__main__` by nobody."""
    package, _, module = name_of(path).partition(".")
    if module.rpartition(".")[2] not in WIRING:
        assert not sorted(name for name in imports(path) if under({f"{package}.app", f"{package}.__main__"}, name))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_modules_stay_small(path: Path) -> None:
    """A module of more lines wants a reason, and a place in a list of exceptions, which is empty."""
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_who_may_import_what(path: Path) -> None:
    """What is used by its inside, or talks to the outside, stands in one place each."""
    for package, allowed in ONLY.items():
        if not under(allowed, name_of(path)):
            assert not [module for module in imports(path) if under({package}, module)], package


MODULES = {name_of(path): path for path in FILES}


def targets(path: Path) -> set[str]:
    """The product's modules that a file imports, those under TYPE_CHECKING and within functions among them."""
    found = {module for module in imports(path) if module in MODULES}
    return {
        module for module in found if not (module in PACKAGES or any(each.startswith(f"{module}.") for each in found))
    } - {name_of(path)}


GRAPH = {name: targets(path) for name, path in MODULES.items()}


def is_pure(path: Path) -> bool:
    """Whether the docstring of a module says that it is pure."""
    return bool(PURE.search(source(path).docstring))


SAY_PURE = [path for path in FILES if is_pure(path)]


def test_some_modules_are_pure() -> None:
    """And are found by their docstrings."""
    assert len(SAY_PURE) > 30


@pytest.mark.parametrize("path", SAY_PURE, ids=name_of)
def test_what_says_that_it_is_pure_is(path: Path) -> None:
    """It imports nothing that does input or output, and neither does what it imports of the product."""
    seen, todo = {name_of(path)}, [name_of(path)]
    while todo:
        name = todo.pop()
        used = source(MODULES[name]).carried_out
        assert not sorted(module for module in used if under(IO, module)), name
        following = (GRAPH[name] & used) - seen
        todo += following
        seen |= following
