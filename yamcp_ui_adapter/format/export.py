"""Exports servers as a configuration for other programs, without their secrets unless these are requested. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from bridge.masking.parts import MASK
from yamcp_ui_adapter.format.masking import mask_entry
from yamcp_ui_adapter.format.providers import WRAPPER

NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
UNNAMED_SECRET_FIELDS = frozenset({"url", "args"})
"""Fields in which a secret has no name of its own."""


def exported(
    entries: Mapping[str, Any], form: Literal["client", "providers"], *, secrets: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the configuration of these entries, and the names of the variables that replace secrets in it.

    Form `client`: like other clients' configurations, inside `mcpServers`; `providers`: entries as in providers.json.
    """
    variables = _Variables()
    shown = {key: entry if secrets else variables.into(key, entry, mask_entry(entry)) for key, entry in entries.items()}
    config = {WRAPPER: {key: _client_form(entry) for key, entry in shown.items()}} if form == "client" else shown
    return config, tuple(variables.names)


class _Variables:
    """Chooses a unique variable name for each secret value."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def into(self, key: str, value: Any, masked: Any, field: str = "") -> Any:
        """Return the masked form of a value, with each mask replaced by a reference to a variable."""
        if isinstance(masked, list):
            stored = value if isinstance(value, list) and len(value) == len(masked) else masked
            return [self.into(key, *pair) for pair in zip(stored, masked, strict=True)]
        if isinstance(masked, dict):
            fields = value if isinstance(value, dict) else {}
            return {
                name: self.into(key, fields.get(name), item, "" if name in UNNAMED_SECRET_FIELDS else name)
                for name, item in masked.items()
            }
        if not isinstance(masked, str) or masked == value:
            return masked
        return re.sub(re.escape(MASK), lambda _: self._reference(key, field), masked)

    def _reference(self, key: str, field: str) -> str:
        own = re.sub(r"[^A-Z0-9_]+", "_", f"{key}_{field or 'secret'}".upper())
        own = own if NAME.fullmatch(own) else f"_{own}"
        name = field if NAME.fullmatch(field) and field not in self.names else own
        number = 1
        while name in self.names:
            number += 1
            name = f"{own}_{number}"
        self.names[name] = None
        return f"${{{name}}}"


def _client_form(entry: Any) -> Any:
    """Return an entry without the fields that only YAMCP knows."""
    if not isinstance(entry, dict):
        return entry
    inside = entry.get("providerParameters")
    fields = inside if isinstance(inside, dict) else entry
    kind = entry.get("type", fields.get("type"))
    result = {name: value for name, value in fields.items() if name not in ("namespace", "type", "providerParameters")}
    return {"type": kind, **result} if "url" in result and kind is not None else result
