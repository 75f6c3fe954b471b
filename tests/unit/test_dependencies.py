"""pyproject.toml names what is imported and nothing else; what is pinned there is in the lock files."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from tests.unit.test_imports import FILES, PACKAGES, imports

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"fastmcp_slim": "fastmcp"}
"""Distributions that come with another, which is the one to declare."""
INSIDES = {"fastmcp", "mcp", "mcp_types", "uvicorn", "httptools"}
"""Those whose inside is used: they are pinned exactly."""

SHARED = {
    "opentelemetry.context.": "opentelemetry_api",
    "opentelemetry.trace.": "opentelemetry_api",
    "opentelemetry.sdk.": "opentelemetry_sdk",
    "opentelemetry.exporter.otlp.proto.http.": "opentelemetry_exporter_otlp_proto_http",
}
"""Modules of packages that several distributions share, by their beginning."""


def normal(name: str) -> str:
    """A distribution's name as those of others are compared with it."""
    return re.sub(r"[-.]", "_", name).lower()


def declared() -> dict[str, str]:
    """The runtime dependencies: of each what pyproject.toml says of its version."""
    found = {}
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]:
        name, version = re.match(r"([\w.-]+)(.*)", text).groups()  # type: ignore[union-attr]
        found[normal(name)] = version
    return found


def imported() -> set[str]:
    """The distributions whose packages the product imports."""
    modules = {module for path in FILES for module in imports(path)}
    shared = {module: of for module in modules for prefix, of in SHARED.items() if f"{module}.".startswith(prefix)}
    packages = {module.partition(".")[0] for module in modules - set(shared)}
    of = importlib.metadata.packages_distributions()
    foreign = packages - set(PACKAGES) - sys.stdlib_module_names
    names = {normal(of[package][0]) for package in foreign}
    return {PARTS.get(name, name) for name in names} | set(shared.values())


def test_what_is_imported_is_declared_and_the_reverse() -> None:
    """Nothing is there only because something else happens to need it, and nothing is there for nobody."""
    assert imported() == set(declared())


def test_what_is_used_inside_is_pinned_and_locked() -> None:
    """By the same version in pyproject.toml and in both lock files."""
    pins = {name: version for name, version in declared().items() if version.startswith("==")}
    assert set(pins) == INSIDES
    for lock in ("runtime", "dev"):
        locked = dict(re.findall(r"^([\w.-]+)(==[\w.]+)", (ROOT / f"locks/{lock}.txt").read_text("utf-8"), re.M))
        found = {normal(name): version for name, version in locked.items()}
        assert {name: found[name] for name in pins} == pins
        assert set(declared()) <= set(found)
