"""The variables file: reads and writes variables.json, and answers the requests about it. Values are never told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from bridge.models import Done, Launch, RemoteLaunch, ServerSpec
from bridge.models.catalog.activation import ReadVariables, RemoveVariable, SetVariables, Variable, Variables
from bridge.private import write_file
from bridge.server import Handlers
from bridge.settings.variables import (
    MAX_FILE_BYTES,
    MAX_VARIABLES,
    VARIABLES_FILE,
    dump_variables,
    fault_of,
    parse_variables,
)
from yamcp_ui_adapter.activation.errors import NoSuchVariable, VariableInvalid, VariablesFileBroken
from yamcp_ui_adapter.edit.editing import Editing, no_source
from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.format.providers import REFERENCE


class VariableStore:
    """The file at `path`. `servers` returns the servers whose definitions may refer to variables."""

    def __init__(
        self,
        path: Path,
        servers: Callable[[], Iterable[ServerSpec]],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._path = path
        self._servers = servers
        self._environ = environ
        self.on_change: Callable[[str, str], None] = lambda subject, diff: None
        """Called with the names that were changed, and what to write of it in the history."""
        self.editing: Editing = no_source
        """A block that changes files."""

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {ReadVariables: self.variables, SetVariables: self.set_variables, RemoveVariable: self.remove_variable}

    async def variables(self, _: ReadVariables) -> Variables:
        """Return the names in the file, and those to which definitions refer. Raises VariablesFileBroken."""
        stored, used = self.read(), self.used_by()
        found = [
            Variable(name=name, set_in=self._set_in(name, stored), used_by=tuple(sorted(used.get(name, ()))))
            for name in sorted({*stored, *used})
        ]
        return Variables(variables=tuple(found))

    def _set_in(self, name: str, stored: Mapping[str, str]) -> Literal["file", "environment", "none"]:
        return "file" if name in stored else "environment" if name in self._environ else "none"

    async def set_variables(self, body: SetVariables) -> Done:
        """Set variables. Raises as `put`."""
        async with self.editing(VARIABLES_FILE):
            self.put(body.values)
        return Done()

    async def remove_variable(self, body: RemoveVariable) -> Done:
        """Remove a variable from the file. Raises NoSuchVariable, and as `put`."""
        async with self.editing(VARIABLES_FILE):
            if body.name not in self.read():
                raise NoSuchVariable(f"There is no variable {body.name!r} in {self._path.name}.")
            self.remove((body.name,))
        return Done()

    # --- for activations ---------------------------------------------------------------------------------------------

    def read(self) -> dict[str, str]:
        """Return the variables of the file; none if it does not exist. Raises VariablesFileBroken."""
        try:
            with self._path.open("rb") as file:
                return parse_variables(file.read(MAX_FILE_BYTES + 1))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise VariablesFileBroken(f"{self._path} cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise VariablesFileBroken(f"{self._path} cannot be used: {error}.") from None

    def put(self, values: Mapping[str, str]) -> None:
        """Set variables; the others stay as they are.

        Raises:
            VariableInvalid, VariablesFileBroken, DataDirUnusable: nothing was written.
        """
        for name, value in values.items():
            if fault := fault_of(name, value):
                raise VariableInvalid(f"The variable {name[:64]!r} cannot be set: {fault}.")
        stored = self.read()
        changed = [name for name, value in values.items() if stored.get(name) != value]
        if changed:
            self._write({**stored, **values}, changed, "+")

    def remove(self, names: Iterable[str]) -> None:
        """Remove variables, as far as they are there. Raises VariablesFileBroken, DataDirUnusable."""
        stored = self.read()
        gone = [name for name in names if name in stored]
        if gone:
            self._write({name: value for name, value in stored.items() if name not in gone}, gone, "-")

    def used_by(self) -> dict[str, set[str]]:
        """Return the keys of the servers that refer to each variable."""
        used: dict[str, set[str]] = {}
        for server in self._servers():
            texts = (*_texts(server.launch), server.settings.oauth_client_secret or "")
            for name in names_in(texts):
                used.setdefault(name, set()).add(server.key)
        return used

    def taken(self) -> frozenset[str]:
        """Return the names that a new variable must not have. Raises VariablesFileBroken."""
        return frozenset({*self.read(), *self.used_by(), *self._environ})

    def _write(self, variables: Mapping[str, str], changed: Iterable[str], sign: str) -> None:
        if len(variables) > MAX_VARIABLES:
            raise VariableInvalid(f"There are {MAX_VARIABLES} variables already; remove some.")
        raw = dump_variables(variables)
        if len(raw) > MAX_FILE_BYTES:
            raise VariableInvalid(f"All variables together would be larger than {MAX_FILE_BYTES} bytes.")
        try:
            write_file(self._path, raw)
        except OSError as error:
            raise DataDirUnusable(f"{self._path} cannot be written: {error.strerror}.") from None
        names = sorted(changed)
        self.on_change(", ".join(names), "".join(f"{sign} variable {name}\n" for name in names))


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the names to which texts refer as `${NAME}`."""
    return frozenset(name for text in texts if "${" in text for name in REFERENCE.findall(text) if name)


def _texts(launch: Launch) -> tuple[str, ...]:
    if isinstance(launch, RemoteLaunch):
        return (launch.url, *launch.headers.values())
    return (launch.command, *launch.args, *launch.env.values(), launch.cwd or "")
