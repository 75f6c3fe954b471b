"""A FastMCP server made of a Python file: each public function that it defines is a tool."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from fastmcp import FastMCP

from own_servers.errors import OwnServerError, of_file

MODULE = "own_server"
"""The name under which the file is imported."""


def server_of(path: Path) -> FastMCP[Any]:
    """The server that a file makes: its FastMCP object if it has one, else a new one with its functions as tools.

    Raises:
        OwnServerError: the file cannot be read or run, or has nothing to serve.
    """
    module = _imported(path)
    found = [value for value in vars(module).values() if isinstance(value, FastMCP)]
    if found:
        return _only(path, found)
    functions = _public_functions(module)
    if not functions:
        raise OwnServerError(f"{path}: no public function is defined in it; names that begin with _ are not served")
    server: FastMCP[Any] = FastMCP(name=path.stem, instructions=inspect.getdoc(module) or "")
    for function in functions:
        try:
            server.tool(function)
        except Exception as error:
            line = inspect.unwrap(function).__code__.co_firstlineno
            text = " ".join(str(error).split())
            raise OwnServerError(f"{path}:{line}: {function.__name__} cannot be a tool: {text}") from None
    return server


def _only(path: Path, found: list[FastMCP[Any]]) -> FastMCP[Any]:
    different = {id(server): server for server in found}
    if len(different) > 1:
        raise OwnServerError(f"{path}: {len(different)} FastMCP objects are in it; one can be served")
    return found[0]


def _imported(path: Path) -> ModuleType:
    """Run the file as a module; what stands beside it can be imported."""
    if not path.is_file():
        raise OwnServerError(f"{path}: there is no such file")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise OwnServerError(f"{path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise of_file(path, error) from error
    return module


def _public_functions(module: ModuleType) -> list[Callable[..., Any]]:
    """The functions that the file itself defines, in their order; what it imports is not served."""
    return [
        value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
