"""No circle of imports in any package, and modules that say that they are pure are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.unit.test_imports import FILES, PACKAGES, ROOT, imported_by, imports, name_of, under

IO = {"asyncio", "socket", "subprocess", "zmq", "watchfiles", "uvicorn", "starlette", "httpx2", "threading", "anyio"}
"""What no pure module imports."""
PURE = re.compile(r"\(pure\)|\bPure\b")
MODULES = {name_of(path): path for path in FILES}
FRONT = ROOT / "front"
NODE_IMPORT = re.compile(r"""(?:^|\s)(?:import|export)\s(?:[^'"();]*?\sfrom\s+)?['"](\.[^'"]+)['"]""")


def targets(path: Path) -> set[str]:
    """The product's modules that a file imports, those under TYPE_CHECKING and within functions among them."""
    found = {module for module in imports(path) if module in MODULES}
    return {
        module for module in found if not (module in PACKAGES or any(each.startswith(f"{module}.") for each in found))
    } - {name_of(path)}


GRAPH = {name: targets(path) for name, path in MODULES.items()}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The shortest way back to each node that leads back to itself, if any (breadth first)."""
    found = []
    for start in graph:
        ways = [[start]]
        seen: set[str] = set()
        while ways:
            way = ways.pop(0)
            following = graph.get(way[-1], set()) - seen
            if start in following:
                found.append(way)
                break
            seen |= following
            ways += [[*way, each] for each in sorted(following)]
    return found


def test_a_circle_is_found() -> None:
    """The search finds circles of two and of more, and only these."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"a", "c"}, "c": {"b"}}) == [["a", "b"], ["b", "a"], ["c", "b"]]


def test_no_module_imports_itself_by_way_of_others() -> None:
    """In Python; every import counts, also those that only type checkers carry out."""
    assert len(GRAPH) > 200
    assert circles(GRAPH) == []


def node_targets(path: Path) -> Iterator[str]:
    """The front's own modules that a module of it imports."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
    for found in NODE_IMPORT.finditer(text):
        target = (path.parent / found[1]).resolve()
        if target.is_relative_to(FRONT):
            yield str(target.relative_to(FRONT))


def test_no_module_of_the_front_imports_itself_by_way_of_others() -> None:
    """In Node and in the pages."""
    graph = {str(path.relative_to(FRONT)): set(node_targets(path)) for path in FRONT.rglob("*.mjs")}
    assert sum(map(len, graph.values())) > 100
    assert circles(graph) == []


def is_pure(path: Path) -> bool:
    """Whether the docstring of a module says that it is pure."""
    return bool(PURE.search(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""))


SAY_PURE = [path for path in FILES if is_pure(path)]


def test_some_modules_are_pure() -> None:
    """And are found by their docstrings."""
    assert len(SAY_PURE) > 30


def carried_out(path: Path) -> set[str]:
    """What a file imports when it is run: not what only type checkers import, which does nothing."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    tree.body = [node for node in tree.body if node not in typing_only]
    return set(imported_by(tree))


@pytest.mark.parametrize("path", SAY_PURE, ids=name_of)
def test_what_says_that_it_is_pure_is(path: Path) -> None:
    """It imports nothing that does input or output, and neither does what it imports of the product."""
    seen, todo = {name_of(path)}, [name_of(path)]
    while todo:
        name = todo.pop()
        used = carried_out(MODULES[name])
        assert not sorted(module for module in used if under(IO, module)), name
        following = (GRAPH[name] & used) - seen
        todo += following
        seen |= following


# --- the layers of sidecar/ -------------------------------------------------------------------------------------------

LAYERS = (
    "errors http_errors version local_key",
    "protocol",
    "features",
    "concurrency",
    "observe",
    "spawner",
    "large",
    "channels",
    "containers",
    "upstream",
    "routing",
    "sessions",
    "workspaces",
    "calls",
    "hub",
    "listener",
    "downstream",
    "app __main__",
)
"""Bottom first: what stands in one line imports only itself and what stands before it (docs/architecture.md)."""
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
SIDECAR = [path for path in FILES if name_of(path).startswith("sidecar.")]
MOST_MODULES = 16
ONLY = {
    "uvicorn": {"sidecar.listener.server", "sidecar.listener.http_protocol"},
    "uvicorn.protocols": {"sidecar.listener.http_protocol"},
    "httpx2": {"sidecar.channels", "hubctl.stdio.stream"},
    "websockets": {"sidecar.channels"},
    "zmq": {"bridge.sockets"},
}
"""Who may import what."""


def level(module: str) -> int:
    """The layer of a module of sidecar/."""
    return LEVEL[module.split(".")[1]]


@pytest.mark.parametrize("path", SIDECAR, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    """Every import counts, those under TYPE_CHECKING and within functions too."""
    above = [each for each in targets(path) if each.startswith("sidecar.") and level(each) > level(name_of(path))]
    assert not above


def test_every_layer_is_there() -> None:
    """The order names what there is."""
    assert set(LEVEL) == {name_of(path).split(".")[1] for path in SIDECAR}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_who_may_import_what(path: Path) -> None:
    """What is used by its inside, or talks to the outside, stands in one place each."""
    for package, allowed in ONLY.items():
        if not under(allowed, name_of(path)):
            assert not [module for module in imports(path) if under({package}, module)], package


def test_no_folder_is_crowded() -> None:
    """The packages of sidecar/ have at most so many modules each."""
    for folder in {path.parent for path in SIDECAR}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, folder
