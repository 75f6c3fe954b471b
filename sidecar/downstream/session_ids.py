"""Ids of Streamable HTTP sessions that say, signed, what a later process of the hub needs to go on with the session.

An id is a random part, what the handshake agreed on, and an HMAC-SHA256 (RFC 2104) over both and over whose the session
is. The key lies in HUB_DATA_DIR. All characters are of base64url, thus visible ASCII (MCP 2025-11-25, Transports,
Session Management). ADR 0028.
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
"""Characters of the random part: the whole id of a session that no other process can go on with."""
SIGNATURE_BYTES = 16
"""Bytes of the signature that are kept."""
SIGNATURE_LENGTH = 22
"""Characters of it."""
MAX_ID_LENGTH = 1024
"""Characters of an id. It is in the head of each request."""
MAX_RESUME_AGE = 7 * 24 * 3600.0
"""Seconds after its handshake in which another process goes on with a session."""
MAX_RETIRED = 10_000
"""Resumed sessions that ended, of which each has to be remembered; after so many, no other is resumed."""
SIGNING_CONTEXT = b"hub-session-1"
"""What is signed with the key, and in which form."""
_ORIGIN = struct.Struct(">6sI")
"""The mark of the process that made the id, and when (Unix time)."""


class SessionBinding(NamedTuple):
    """Whose session it is. An id is good for nobody else."""

    workspace: str
    """The workspace's name."""
    key: str = ""
    """Id of the access key; empty for the hub's own clients."""
    token_hash: str = ""
    """The hash of the key's token: another token of the same id is another key."""


def binding(workspace: Workspace, scope: Scope) -> SessionBinding:
    """Whose the session is that a request begins, or names; the hub's own clients are told apart by nothing."""
    return SessionBinding(workspace.name, workspace.tenant, principal_of(scope).mark if workspace.tenant else "")


class Handshake(NamedTuple):
    """What the handshake of a session agreed on."""

    version: str
    capabilities: dict[str, Any]
    """The client's."""


class SessionIds:
    """Makes and reads ids for one process. `path` is the file of the key, which is made at first need."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._process = secrets.token_bytes(6)
        self._key = b""
        self._retired: set[str] = set()

    def sign(self, random_part: str, binding: SessionBinding, handshake: Handshake) -> str:
        """The id of a new session, of which `random_part` is the random part; `random_part` itself where it would be too long."""
        start = _ORIGIN.pack(self._process, int(self._clock()))
        body = random_part + _encoded(start + codec.dumps([handshake.version, handshake.capabilities]))
        if len(body) + SIGNATURE_LENGTH > MAX_ID_LENGTH:
            return random_part
        return body + self._signature(body, binding)

    def read(self, session_id: str, binding: SessionBinding) -> Handshake | None:
        """What a session of an earlier process had agreed on; None where this process must not go on with it.

        That is: the id was not signed for this binding, it is too old, or this process made it or resumed it already,
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
        """A resumed session has ended: do not go on with it again."""
        self._retired.add(session_id[:RANDOM_LENGTH])

    def _signature(self, body: str, binding: SessionBinding) -> str:
        if not self._key:
            self._key = _load(self._path)
        signed = b"\0".join((SIGNING_CONTEXT, body.encode(), codec.dumps(list(binding))))
        return _encoded(hmac.digest(self._key, signed, "sha256")[:SIGNATURE_BYTES])


def _load(path: Path) -> bytes:
    """The key; where there is no place to keep it, one that no other process will know."""
    try:
        return load_key(path)
    except OSError as error:
        log.warning("sessions will end with this process", extra={"path": str(path), "reason": error.strerror})
        return secrets.token_bytes(KEY_BYTES)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """The bytes of what `_encoded` wrote."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
