"""Keeps arguments and results of requests for the history, of the servers and workspaces that ask for it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from bridge.masking.names import is_secret_assignment, is_secret_name
from bridge.masking.parts import MASK
from bridge.models import Record, Snapshot
from sidecar.admission.context import CallContext
from sidecar.audit.rows import Extras
from sidecar.protocol import codec
from sidecar.protocol.large_values import Large

if TYPE_CHECKING:
    from sidecar.admission.admission import Admission
    from sidecar.audit.observer import CallObserver
    from sidecar.observe.redaction import Redactor

log = logging.getLogger(__name__)

MARGIN = 4096
"""Characters beyond the limit that are examined for secrets, so that half of one is never kept."""
MOST_EXAMINED = 16 * 1024
"""Characters of a text up to which it is parsed, if it is JSON."""
NAMING = ("name", "key", "header")
"""Members of an object that name its `value`."""
HEADER = re.compile(r"([\w-]{1,64}): {0,8}\S[^\r\n]*")
CREDENTIAL_HEADERS = frozenset(("authorization", "proxy-authorization", "cookie", "set-cookie"))
MOST_HELD = 16 * 1024 * 1024
"""Bytes of arguments and results that wait for the writer; of further requests only the sizes are kept."""


class BodyRecorder:
    """Makes the `extras` of the observer. It costs nothing while no server or workspace records anything."""

    def __init__(self, admission: Admission, observer: CallObserver, redactor: Redactor, most_bytes: int) -> None:
        """`most_bytes` are kept of arguments, and of a result."""
        self._admission = admission
        self._observer = observer
        self._redactor = redactor
        self._most = most_bytes
        self._servers: Mapping[str, Record] = {}
        """What each server records that has a setting of its own."""
        self._workspaces: Mapping[str, Record] = {}
        self._answer: tuple[CallContext, Any] | None = None

    def applied(self, snapshot: Snapshot) -> None:
        """Take over the settings of a snapshot."""
        settings = ((server.key, server.settings.record) for server in snapshot.servers)
        self._servers = {key: record for key, record in settings if record != "workspace"}
        self._workspaces = {each.name: each.record for each in snapshot.workspaces if each.record != "off"}
        wanted = bool(self._workspaces) or any(record != "off" for record in self._servers.values())
        self._admission.on_answer = self._note if wanted else None
        self._observer.extras = self._extras if wanted else None

    def _note(self, call: CallContext, answer: Any) -> None:
        """Keep the answer until `_extras`, which the admission calls next."""
        self._answer = call, answer

    def _extras(self, call: CallContext) -> Extras:
        noted, self._answer = self._answer, None
        record = self._servers.get(call.server) or self._workspaces.get(call.workspace, "off")
        if record == "off" or not call.server:
            return {}
        answer = noted[1] if noted is not None and noted[0] is call else {}
        bodies = {"arguments": _arguments(call), "result": answer.get("result", answer.get("error"))}
        extras: Extras = {}
        for name, value in bodies.items():
            if value is not None:
                try:
                    self._add(extras, name, value, record)
                except (ValueError, TypeError, RecursionError):
                    log.exception("a request's %s could not be recorded", name)
        return extras

    def _add(self, extras: Extras, name: str, value: Any, record: Record) -> None:
        text, size = _beginning(_masked(value) if record == "redacted" else value, self._most + MARGIN)
        extras[f"{name}_size"] = size
        if record == "sizes":
            return
        if self._observer.held + len(text) > MOST_HELD:
            extras["cut"] = True
            return
        kept = self._redactor(text) if record == "redacted" else self._redactor.mask_known(text)
        if size > len(text.encode()):  # the last secret in it may be incomplete
            kept = kept[:-MARGIN]
        if len(kept.encode()) > self._most or size > len(text.encode()):
            extras["cut"] = True
            kept = kept.encode()[: self._most].decode(errors="ignore")
        extras[name] = kept
        self._observer.held += len(kept)


def _arguments(call: CallContext) -> Any:
    """What the client asked: the arguments of a tool, or the params of another request without `_meta`."""
    if call.method == "tools/call":
        return call.params.get("arguments")
    return {name: value for name, value in call.params.items() if name != "_meta"}


def _beginning(value: Any, most: int) -> tuple[str, int]:
    """The first bytes of a value's JSON as text, at most `most`, and the size of all of it in bytes."""
    kept, size = bytearray(), 0
    for piece in codec.pieces(value):
        kept += piece[: max(0, most - size)]
        size += len(piece)
    return kept.decode(errors="ignore"), size


def _masked(value: Any) -> Any:
    """The value with what is masked whose name says that it is a secret: members such as `password` and `api_key`, the
    `value` of `{"name": "API_KEY", "value": ...}`, the argument after `--token`, the value of a header. Texts that are
    JSON themselves, as results have it, are masked as well."""
    if isinstance(value, Large):
        return value
    if isinstance(value, dict):
        named = any(is_secret_name(name) for key in NAMING if isinstance(name := value.get(key), str))
        return {
            name: MASK if item and (is_secret_name(name) or (named and name == "value")) else _masked(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [
            MASK if at and isinstance(item, str) and _is_secret_flag(value[at - 1]) else _masked(item)
            for at, item in enumerate(value)
        ]
    return _masked_text(value) if isinstance(value, str) else value


def _is_secret_flag(argument: Any) -> bool:
    """Whether the argument after this one is a secret: `--api-key X`."""
    return isinstance(argument, str) and argument.startswith("-") and "=" not in argument and is_secret_name(argument)


def _masked_text(text: str) -> str:
    if len(text) > MOST_EXAMINED:
        return text  # the redactor examines it
    if text.lstrip()[:1] in ("{", "["):
        try:
            found = orjson.loads(text)
            masked = _masked(found)
        except (ValueError, RecursionError):
            return text
        return text if masked == found else orjson.dumps(masked).decode()
    if (header := HEADER.fullmatch(text)) and (
        header[1].lower() in CREDENTIAL_HEADERS or is_secret_assignment(header[1])
    ):
        return f"{header[1]}: {MASK}"
    return text
