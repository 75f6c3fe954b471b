"""The settings that a running hub was started with, for commands that are run with others.

`hubctl run` keeps them in the runtime directory. A shell that knows only HUB_DATA_DIR finds the hub by that, and here
what it cannot know: the address of the front, say.
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


def keep(runtime: Path, variables: dict[str, str]) -> None:
    """Write the settings, as environment variables and without secrets, into the runtime directory."""
    write_file(runtime / FILE, _VARIABLES.dump_json(variables), sync=False)


def settings_in_force(settings: Settings) -> Settings:
    """The settings of the hub that runs in the runtime directory of these; they themselves where none are kept."""
    with contextlib.suppress(OSError, ValueError, ValidationError):
        kept = _VARIABLES.validate_json((settings.runtime / FILE).read_bytes())
        values: dict[str, Any] = {name.removeprefix(PREFIX).lower(): value for name, value in kept.items()}
        return type(settings)(**{name: values[name] for name in values.keys() & type(settings).model_fields.keys()})
    return settings
