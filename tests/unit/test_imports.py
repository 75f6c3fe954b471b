"""The import rules within packages: where FastMCP is used, what is pure, who wires. Among packages: test_rooms.py."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bridge", "sidecar", "hubctl", "yamcp_ui_adapter", "demo_servers", "acceptor")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
LONGEST = 400

SDK_FILES = {"sidecar/fastmcp_server.py"}
SDK_PUBLIC = {"mcp_types.version", "mcp.shared.message", "mcp.shared.inbound"}
"""Of FastMCP and the MCP SDK, what other files may use too: data, and what is computed of data alone."""
WIRING = {"app", "__main__"}


def name_of(path: Path) -> str:
    """`sidecar/names.py` is sidecar.names."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Every module that the file imports, wherever in it; relative imports are not used."""
    yield from imported_by(ast.parse(path.read_text("utf-8")))


def imported_by(tree: ast.AST) -> Iterator[str]:
    """The same, of parsed text."""
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
    if str(path.relative_to(ROOT)) in SDK_FILES:
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
