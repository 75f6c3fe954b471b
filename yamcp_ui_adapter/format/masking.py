"""Masks the secret values of entries and launches for pages, hubctl and the API, and restores stored values where an
edit sends the mask. Pure.

Masked are all values of `env` and `headers`; the secret parts of `url` and `args` that bridge/masking/parts.py finds;
and fields that YAMCP does not know whose name indicates a secret. A value that consists of a reference (`${NAME}`)
only is not masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from bridge.masking.names import is_open_word, is_path_token, is_secret_field, is_secret_name
from bridge.masking.parts import MASK, Part, member_value, split_arguments, split_url
from bridge.models import Launch, MaskedSnapshot, Snapshot, StdioLaunch
from yamcp_ui_adapter.errors import MaskedValue
from yamcp_ui_adapter.format.entry_positions import Content
from yamcp_ui_adapter.format.providers import FIELDS, WRAPPER, wrapped_entries

PARAMETERS = "providerParameters"
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_PATH = re.compile(r"~|\.?\.?/")


# --- masking ---------------------------------------------------------------------------------------------------------


def mask_config(content: Content) -> Content:
    """Return the content of providers.json with each entry masked, also inside `mcpServers`."""
    inner = wrapped_entries(content)
    return {
        key: mask_entry(entry) if inner is None or key != WRAPPER else _mask_entries(inner)
        for key, entry in content.items()
    }


def _mask_entries(entries: Content) -> Content:
    return {key: mask_entry(entry) for key, entry in entries.items()}


def mask_entry(entry: Any) -> Any:
    """Return an entry of providers.json with its secret values masked."""
    if isinstance(entry, str):
        return mask_url(entry)
    if not isinstance(entry, dict):
        return entry
    masked = {name: _mask_field(name, value) for name, value in entry.items()}
    if isinstance(inner := entry.get(PARAMETERS), dict):
        masked[PARAMETERS] = {name: _mask_field(name, value) for name, value in inner.items()}
    return masked


def mask_launch(launch: Launch) -> Launch:
    """Return a launch with its secret values masked."""
    if isinstance(launch, StdioLaunch):
        args = tuple(map(_masked, split_arguments(launch.args)))
        return launch.model_copy(update={"args": args, "env": _mask_values(launch.env)})
    return launch.model_copy(update={"url": mask_url(launch.url), "headers": _mask_values(launch.headers)})


def mask_snapshot(snapshot: Snapshot) -> MaskedSnapshot:
    """Return the snapshot with its secret values masked."""
    servers = (server.model_copy(update={"launch": mask_launch(server.launch)}) for server in snapshot.servers)
    return MaskedSnapshot(id=snapshot.id, servers=tuple(servers), workspaces=snapshot.workspaces)


def mask_url(url: str) -> str:
    """Return a URL with its password (or its user name, if there is no password), tokens and secret parameters
    masked.
    """
    return str(_masked(split_url(url)))


def _mask_field(name: str, value: Any) -> Any:
    if _is_secret_field(name):
        return _mask_values(value)
    if name == "args" and isinstance(value, list):
        return [_masked(parts) for parts in split_arguments(value)]
    return mask_url(value) if name == "url" and isinstance(value, str) else value


def _mask_values(value: Any) -> Any:
    if isinstance(value, list):
        return [_mask_values(item) for item in value]
    if isinstance(value, dict):
        return {name: _mask_values(item) for name, item in value.items()}
    return value if value is None or _is_reference(value) else MASK


def _masked(parts: Iterable[Part]) -> Any:
    return _joined(Part(MASK) if _is_masked(part) and not _is_reference(part.text) else part for part in parts)


# --- putting back ----------------------------------------------------------------------------------------------------


def unmask_config(content: Content, stored: Content) -> Content:
    """Return the content of providers.json with each masked value replaced by the stored one of the same server.

    Raises:
        MaskedValue: no value is stored for one that is masked.
    """
    inner, stored_inner = wrapped_entries(content), wrapped_entries(stored) or {}
    stored_outer = {key: entry for key, entry in stored.items() if entry is not stored_inner}
    outer_first, inner_first = {**stored_inner, **stored_outer}, {**stored_outer, **stored_inner}
    return {
        key: unmask_entry(entry, outer_first.get(key), key)
        if inner is None or key != WRAPPER
        else {name: unmask_entry(within, inner_first.get(name), name) for name, within in inner.items()}
        for key, entry in content.items()
    }


def unmask_entry(entry: Any, stored: Any, place: str = "") -> Any:
    """Return an entry with each masked value replaced by the stored one at the same position.

    `stored` is the entry that it replaces, in any form, or None. `place` names the entry in errors.

    Raises:
        MaskedValue: no value is stored for one that is masked.
    """
    if isinstance(entry, str):
        return _unmask_url(entry, stored, place)
    if not isinstance(entry, dict):
        return entry
    outer = stored if isinstance(stored, dict) else {}
    inner = outer[PARAMETERS] if isinstance(outer.get(PARAMETERS), dict) else outer

    def fields(of: Content, first: Content, second: Content) -> Content:
        return {
            name: _unmask_field(name, value, _either(first.get(name), second.get(name)), _join(place, name))
            for name, value in of.items()
        }

    unmasked = fields(entry, outer, inner)
    if isinstance(given := entry.get(PARAMETERS), dict):
        unmasked[PARAMETERS] = fields(given, inner, outer)
    return unmasked


def _unmask_field(name: str, value: Any, stored: Any, place: str) -> Any:
    if _is_secret_field(name):
        return _unmask_values(value, stored, place)
    if name == "args" and isinstance(value, list):
        return _unmask_arguments(value, stored, place)
    return _unmask_url(value, stored, place) if name == "url" and isinstance(value, str) else value


def _unmask_values(value: Any, stored: Any, place: str) -> Any:
    if isinstance(value, list):
        items = stored if isinstance(stored, list) else []
        return [
            _unmask_values(item, items[at] if at < len(items) else None, _join(place, str(at)))
            for at, item in enumerate(value)
        ]
    if isinstance(value, dict):
        members = stored if isinstance(stored, dict) else {}
        return {name: _unmask_values(item, members.get(name), _join(place, name)) for name, item in value.items()}
    if value != MASK:
        return value
    if stored is None or isinstance(stored, dict | list):
        raise _nothing_stored(place)
    return stored


def _unmask_url(url: str, stored: Any, place: str) -> str:
    known = _StoredSecrets(split_url(stored) if isinstance(stored, str) else (), place)
    return str(known.put_back(split_url(url)))


def _unmask_arguments(args: list[Any], stored: Any, place: str) -> list[Any]:
    before = split_arguments(stored) if isinstance(stored, list) else []
    known = _StoredSecrets((part for parts in before for part in parts), place)
    return [known.put_back(parts) for parts in split_arguments(args)]


class _StoredSecrets:
    """The secret parts of a stored value, each of which is used at most once."""

    def __init__(self, parts: Iterable[Part], place: str) -> None:
        self._left = [part for part in parts if _is_masked(part)]
        self._place = place

    def put_back(self, parts: Iterable[Part]) -> Any:
        """Return the text of `parts`, with each masked part replaced by the first stored one of the same kind and name.

        Raises:
            MaskedValue: there is none.
        """
        return _joined(self._replaced(part) if _is_masked(part) else part for part in parts)

    def _replaced(self, part: Part) -> Part:
        same = next((stored for stored in self._left if stored[1:] == part[1:]), None)
        if same is not None:
            self._left.remove(same)
        if part.text != MASK:
            return part
        if same is None:
            raise _nothing_stored(self._place)
        return same


# --- what is secret --------------------------------------------------------------------------------------------------


def _is_secret_field(name: str) -> bool:
    return name in ("env", "headers") or (name not in FIELDS and is_secret_field(name))


def _is_masked(part: Part) -> bool:
    """Return whether pages show the mask instead of a part; references are shown."""
    match part.kind:
        case "password":
            return bool(part.text)
        case "segment":
            return _is_token(part.text)
        case "parameter":
            return bool(part.text) and (is_secret_name(unquote(part.name)) or _is_token(part.text))
        case "member" if not part.name:
            return part.text == MASK or any(map(_is_masked, split_url(member_value(part))))
        case "named" | "member":
            return not (part.text == "" or is_open_word(str(part.text)) or _is_path(str(part.text)))
    return False


def _is_token(text: str) -> bool:
    return text == MASK or is_path_token(text)


def _is_path(text: str) -> bool:
    """Return whether a text looks like a path, rather than like a token that begins with a slash (as base64 may)."""
    is_token = "+" in text or "=" in text or any(map(is_path_token, text.split("/")))
    return bool(_PATH.match(text)) and not is_token


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def _joined(parts: Iterable[Part]) -> Any:
    """Return the text of all parts; a single part is returned unchanged, because an argument may be a number."""
    texts = [part.text for part in parts]
    return texts[0] if len(texts) == 1 else "".join(texts)


def _either(first: Any, second: Any) -> Any:
    return second if first is None else first


def _join(place: str, name: str) -> str:
    return f"{place} \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} {name}" if place else name


def _nothing_stored(place: str) -> MaskedValue:
    return MaskedValue(f"The value of {place} is {MASK}, which stands for a stored one, but there is none.")
