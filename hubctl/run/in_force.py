"""The settings of the running hub, for commands that run with other settings.

`hubctl run` writes them into the runtime directory. A shell that knows only HUB_DATA_DIR finds the hub through that
directory, and in it the settings that it does not know, such as the address of the front.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bridge.private import write_file
from bridge.settings import Settings

FILE = "settings.json"
PREFIX = "HUB_"
_VARIABLES = TypeAdapter(dict[str, str])


def store(runtime: Path, variables: dict[str, str]) -> None:
    """Write the settings into the runtime directory, as environment variables and without secrets."""
    write_file(runtime / FILE, _VARIABLES.dump_json(variables), sync=False)


def settings_in_force(settings: Settings) -> Settings:
    """Return the settings of the hub that runs in this runtime directory; the given ones if none are stored."""
    with contextlib.suppress(OSError, ValueError, ValidationError):
        kept = _VARIABLES.validate_json((settings.runtime / FILE).read_bytes())
        values: dict[str, Any] = {name.removeprefix(PREFIX).lower(): value for name, value in kept.items()}
        return type(settings)(**{name: values[name] for name in values.keys() & type(settings).model_fields.keys()})
    return settings
