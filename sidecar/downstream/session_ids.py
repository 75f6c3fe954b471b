"""Signed ids of Streamable HTTP sessions, with which a later process of the hub can resume a session (ADR 28).

An id has a random part, the result of the handshake, and an HMAC-SHA256 (RFC 2104) over both and over the owner of the
session. The key is a file in HUB_DATA_DIR. All characters are from base64url, so they are visible ASCII (MCP
2025-11-25, Transports, Session Management).
"""

from __future__ import annotations

import base64
import hmac
import logging
import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sidecar.listener.auth import principal_of
from sidecar.local_key import KEY_BYTES, load_key
from sidecar.protocol import codec

if TYPE_CHECKING:
    from starlette.types import Scope

    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

RANDOM_LENGTH = 32
"""Characters of the random part, which is the whole id of a session that cannot be resumed."""
SIGNATURE_BYTES = 16
"""Bytes of the HMAC that are used."""
SIGNATURE_LENGTH = 22
"""Characters of the encoded signature."""
MAX_ID_LENGTH = 1024
"""Limit for the length of an id, in characters: it is in the head of each request."""
MAX_RESUME_AGE = 7 * 24 * 3600.0
"""Seconds after its handshake within which a session can be resumed."""
MAX_RETIRED = 10_000
"""Limit for the ids of resumed sessions that ended, which must be remembered; when it is reached, no more sessions are
resumed."""
SIGNING_CONTEXT = b"hub-session-1"
"""Prefix of the signed data: its purpose and format version."""
_ORIGIN = struct.Struct(">6sI")
"""The id of the process that made the session id, and the time (Unix time, seconds)."""


class SessionBinding(NamedTuple):
    """The owner of a session. An id is valid for its owner only."""

    workspace: str
    """The workspace's name."""
    key: str = ""
    """Id of the access key; empty for the hub's own clients."""
    token_hash: str = ""
    """The hash of the key's token: another token of the same id is another key."""


def binding(workspace: Workspace, scope: Scope) -> SessionBinding:
    """The owner of the session that a request opens or names. All clients without a key of their own are one owner."""
    return SessionBinding(workspace.name, workspace.tenant, principal_of(scope).mark if workspace.tenant else "")


class Handshake(NamedTuple):
    """The result of a session's handshake: protocol version and client capabilities."""

    version: str
    capabilities: dict[str, Any]


class SessionIds:
    """Makes and reads ids for one process. `path` is the file of the key, which is created when first needed."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._process = secrets.token_bytes(6)
        self._key = b""
        self._retired: set[str] = set()

    def sign(self, random_part: str, binding: SessionBinding, handshake: Handshake) -> str:
        """The id of a new session. It is `random_part` alone if the signed id would be too long."""
        start = _ORIGIN.pack(self._process, int(self._clock()))
        body = random_part + _encoded(start + codec.dumps([handshake.version, handshake.capabilities]))
        if len(body) + SIGNATURE_LENGTH > MAX_ID_LENGTH:
            return random_part
        return body + self._signature(body, binding)

    def read(self, session_id: str, binding: SessionBinding) -> Handshake | None:
        """The handshake of a session of an earlier process; None if the session cannot be resumed.

        It cannot if the id is not signed for this owner, is too old, or was made or resumed by this process already,
        so that the session has ended.
        """
        if not RANDOM_LENGTH + SIGNATURE_LENGTH < len(session_id) <= MAX_ID_LENGTH or not session_id.isascii():
            return None
        body, signature = session_id[:-SIGNATURE_LENGTH], session_id[-SIGNATURE_LENGTH:]
        if not hmac.compare_digest(signature, self._signature(body, binding)):
            return None
        facts = _decoded(body[RANDOM_LENGTH:])
        process, made = _ORIGIN.unpack_from(facts)
        if process == self._process or self._clock() - made > MAX_RESUME_AGE:
            return None
        if session_id[:RANDOM_LENGTH] in self._retired or len(self._retired) >= MAX_RETIRED:
            return None
        version, capabilities = codec.loads(facts[_ORIGIN.size :])
        return Handshake(version, capabilities)

    def retire(self, session_id: str) -> None:
        """Note that a resumed session has ended, so that it is not resumed again."""
        self._retired.add(session_id[:RANDOM_LENGTH])

    def _signature(self, body: str, binding: SessionBinding) -> str:
        if not self._key:
            self._key = _load(self._path)
        signed = b"\0".join((SIGNING_CONTEXT, body.encode(), codec.dumps(list(binding))))
        return _encoded(hmac.digest(self._key, signed, "sha256")[:SIGNATURE_BYTES])


def _load(path: Path) -> bytes:
    """The key from the file; a random one if the file cannot be read or written."""
    try:
        return load_key(path)
    except OSError as error:
        log.warning("sessions will end with this process", extra={"path": str(path), "reason": error.strerror})
        return secrets.token_bytes(KEY_BYTES)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """The reverse of `_encoded`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
