"""Who may import whom: packages, the folders within them, and the front's modules in Node and browsers."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAY_IMPORT = {
    "bridge": set(),
    "sidecar": {"bridge"},
    "hubctl": {"bridge"},
    "yamcp_ui_adapter": {"bridge"},
    "demo_servers": set(),
    "acceptor": set(),
    "recorder": {"bridge"},
    "own_servers": set(),
}
"""The top-level packages, and which of them each may import beside itself."""
OTHERS = {"tests", "bench"}
ORDER = {
    "sidecar": [
        "errors http_errors flood_errors input_errors sign_in_errors hub_tool_errors",
        "version local_key account_owner redis_connection",
        "protocol",
        "features",
        "concurrency",
        "admission quotas",
        "observe",
        "access",
        "audit",
        "limits",
        "spawner",
        "secret_sources",
        "large",
        "channels",
        "upstream_auth",
        "containers",
        "placement",
        "supervision",
        "trust",
        "upstream",
        "routing",
        "cache",
        "sessions",
        "workspaces",
        "calls",
        "hub_tools",
        "hub",
        "cluster",
        "tracing",
        "listener",
        "downstream",
        "replicas",
        "succession",
        "optional",
        "app __main__",
    ],
    "hubctl": [
        *(
            "errors",
            "render",
            "context",
            "lookup",
            "arguments",
            "numbers",
            "own_entries",
            "applying",
            "run",
            "stdio",
            "connect",
        ),
        *("commands", "grammar", "main", "__main__"),
    ],
    "yamcp_ui_adapter": [
        *(
            "demo",
            "errors",
            "format",
            "access",
            "files",
            "edit",
            "cluster",
            "key_uses",
            "keys",
            "sign_in",
            "desired",
            "activation",
            "catalog",
            "approvals",
            "seed",
            "app",
            "__main__",
        ),
    ],
    "demo_servers": ["toolkit", "notes clock mock"],
    "recorder": [
        *("errors", "batch", "usage", "store", "memory", "sql", "engines", "spool inotify", "intake", "api retention"),
        *("app", "__main__"),
    ],
    "own_servers": ["errors", "changes prints python_file openapi", "__main__"],
    "acceptor": ["loop log peek refusals clients", "handover heartbeat opening relay returns", "app", "__main__"],
}
"""Modules and folders directly below a package: each may import what stands before it, and what stands beside it."""
FRONT = ROOT / "front"
FRONT_MAY_IMPORT = {
    "front/server": ("front/server/", "front/console/", "bridge/node/"),
    "front/cli": ("front/cli/", "front/server/", "front/console/"),
    "front/console": ("front/console/",),
    "front/overlay": ("front/overlay/", "front/console/"),
    "bridge/node": ("bridge/node/",),
}
"""Folders of the Node and browser code, and what each may import of this project's own."""
TYPES = {"front/server/state/state.mjs", "bridge/node/types.mjs"}
"""These declare types alone, which JSDoc of the console's and the overlay's modules may take from there."""
MOST = 17
"""Modules in a folder."""

SPECIFIER = re.compile(r"""(?:\bfrom\s+|^\s*import\s+|\bimport\()\s*['"]([^'"]+)['"]""", re.M)
COMMENT = re.compile(r"/\*\*\s.*?\*/|^\s*//[^\n]*", re.S | re.M)
DOC_TYPE = re.compile(r"""\bimport\(['"](\.[^'"]+)['"]\)|@import\s.*?\bfrom\s+['"](\.[^'"]+)['"]""")

Graph = Mapping[str, set[str]]


def modules_of(package: str) -> dict[str, Path]:
    """A package's modules by their dotted names; a package's `__init__` has the package's name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """Every module that a Python file names in an import, those under TYPE_CHECKING and in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def module_named(name: str, modules: Mapping[str, Path]) -> str | None:
    """The module that `name` is, or that has it: of `a.b.c`, whichever of `a.b.c` and `a.b` there is."""
    return next((candidate for candidate in (name, name.rpartition(".")[0]) if candidate in modules), None)


def own_imports(package: str) -> dict[str, set[str]]:
    """By module of a package, the modules of the same package that it imports."""
    modules = modules_of(package)
    return {
        module: {found for name in imported(path) if (found := module_named(name, modules)) and found != module}
        for module, path in modules.items()
    }


def circle(graph: Graph) -> list[str]:
    """Modules that import each other in a circle, the first one found; none: an empty list."""
    done: set[str] = set()

    def visit(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for target in sorted(graph.get(node, ())):
            if found := visit(target, [*way, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])


def test_a_circle_is_found() -> None:
    """What the other tests rely on."""
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_meet_only_at_the_bridge(package: str) -> None:
    """The bridge imports no other package of ours, and each other one at most the bridge."""
    foreign = {*MAY_IMPORT, *OTHERS} - {package} - MAY_IMPORT[package]
    for path in modules_of(package).values():
        assert not {name for name in imported(path) if name.partition(".")[0] in foreign}, path


def test_every_package_has_its_rule() -> None:
    """A new top-level package wants a row in `MAY_IMPORT`."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests", "bench"} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", [*modules_of("demo_servers"), *modules_of("acceptor")])
def test_some_need_the_standard_library_alone(module: str) -> None:
    """Demo servers run with any Python, without an installation (ADR 6); the acceptor is to start at once (ADR 24)."""
    package = module.partition(".")[0]
    used = {name.partition(".")[0] for name in imported(modules_of(package)[module])}
    assert used <= {*sys.stdlib_module_names, package}


@pytest.mark.parametrize("package", ORDER)
def test_imports_go_down(package: str) -> None:
    """A module imports what stands before it in `ORDER`, or beside it in its own folder."""
    place = {name: number for number, names in enumerate(ORDER[package]) for name in names.split()}

    def layer(module: str) -> int:
        return place[module.split(".")[1]]

    for module, targets in own_imports(package).items():
        for target in targets - {package}:
            assert layer(target) <= layer(module), f"{module} imports {target}"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_circle_of_imports(package: str) -> None:
    """Imports under TYPE_CHECKING count."""
    assert circle(own_imports(package)) == []


@pytest.mark.parametrize("package", ORDER)
def test_every_layer_is_there(package: str) -> None:
    """`ORDER` names what there is, and all of it."""
    named = {name for names in ORDER[package] for name in names.split()}
    assert named == {name.split(".")[1] for name in modules_of(package) if name != package}


def sources(folder: str) -> list[str]:
    """The Node and browser modules below a folder, by their paths in the project."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.mjs"))


def specifiers(file: str) -> Iterator[str]:
    """What an ES module imports, statically or when it is needed."""
    yield from SPECIFIER.findall(COMMENT.sub("", (ROOT / file).read_text("utf-8")))


def resolved(file: str, name: str) -> str:
    """A relative specifier, or one of the console by its URL, as a path in the project."""
    if name.startswith("/hub/assets/"):
        return name.replace("/hub/assets/", "front/console/")
    parts: list[str] = []
    for part in (PurePosixPath(file).parent / name).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def is_ours(name: str) -> bool:
    """Whether a specifier names a file of this project, not a package of npm or a module of Node."""
    return name.startswith((".", "/"))


@pytest.mark.parametrize("folder", FRONT_MAY_IMPORT)
def test_the_front_knows_itself_and_the_bridge(folder: str) -> None:
    """Of the rest of the hub, the front's server knows bridge/node alone; what runs in browsers knows no server."""
    for file in sources(folder):
        for name in specifiers(file):
            if is_ours(name):
                target = resolved(file, name)
                assert target.startswith(FRONT_MAY_IMPORT[folder]), f"{file} imports {target}"
                assert (ROOT / target).is_file(), f"{file} imports {target}"


@pytest.mark.parametrize("folder", FRONT_MAY_IMPORT)
def test_types_come_from_the_same_places(folder: str) -> None:
    """As for imports; and all may have the types of the State that the server sends."""
    for file in sources(folder):
        for found in DOC_TYPE.findall((ROOT / file).read_text("utf-8")):
            target = resolved(file, "".join(found))
            assert target.startswith(FRONT_MAY_IMPORT[folder]) or target in TYPES, f"{file} has types of {target}"


@pytest.mark.parametrize("folder", ["front/server", "bridge/node"])
def test_packages_of_npm_are_declared(folder: str) -> None:
    """What is imported by name is a module of Node or a dependency in package.json."""
    declared = set(json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"])
    for file in sources(folder):
        named = {name for name in specifiers(file) if not is_ours(name) and not name.startswith("node:")}
        packages = {"/".join(name.split("/")[: 2 if name.startswith("@") else 1]) for name in named}
        assert packages <= declared, file


@pytest.mark.parametrize("folder", FRONT_MAY_IMPORT)
def test_no_circle_of_es_modules(folder: str) -> None:
    """Modules of the Node front, of the console and of the overlay import each other in one direction."""
    graph = {file: {resolved(file, name) for name in specifiers(file) if is_ours(name)} for file in sources(folder)}
    assert circle(graph) == []


def folders() -> list[str]:
    """The folders of all code of ours that are modules' homes."""
    homes = {path.parent for package in [*MAY_IMPORT, "front"] for path in (ROOT / package).rglob("*")}
    return sorted(home.relative_to(ROOT).as_posix() for home in homes if home.name != "__pycache__")


@pytest.mark.parametrize("folder", folders())
def test_folders_stay_small(folder: str) -> None:
    """A folder is taken in at a glance; one that grows wants rooms."""
    modules = [path for path in (ROOT / folder).iterdir() if path.suffix in {".py", ".mjs"}]
    assert len([path for path in modules if path.name != "__init__.py"]) <= MOST
