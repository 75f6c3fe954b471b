"""Sealed ids of Streamable HTTP sessions, with which a later process of the hub can resume a session (ADR 28).

An id has the name of the replica, if the hub has one (protocol/replica_names.py), a random part and the result of the
handshake, encrypted and authenticated together with the owner of the session by AES-256-GCM (NIST SP 800-38D). The key
is a file in HUB_DATA_DIR. All characters are visible ASCII (MCP 2025-11-25, Transports, Session Management).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.listener.auth import principal_of
from sidecar.local_key import KEY_BYTES, load_key
from sidecar.protocol import codec, replica_names

if TYPE_CHECKING:
    from starlette.types import Scope

    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

RANDOM_LENGTH = 32
"""Characters of the random part, which is the whole id of a session that cannot be resumed."""
NONCE_BYTES = 12
MAX_ID_LENGTH = 1024
"""Limit for the length of an id, in characters: it is in the head of each request."""
MAX_RESUME_AGE = 7 * 24 * 3600.0
"""Seconds after its handshake within which a session can be resumed."""
MAX_RETIRED = 10_000
"""Limit for the ids of resumed sessions that ended, which must be remembered; when it is reached, no more sessions are
resumed."""
KEY_PURPOSE = "ids of sessions"
"""The purpose of the replicas' common key (`ReplicaSettings.replica_key`)."""
PURPOSE = "hub-session-2"
"""A part of the authenticated data: the purpose of the key, and the version of the format."""
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
    grant: str = ""
    """The id of the OAuth grant; its tokens change, and the session goes on."""


def binding(workspace: Workspace, scope: Scope) -> SessionBinding:
    """The owner of the session that a request opens or names. All clients without a key of their own are one owner."""
    principal = principal_of(scope)
    mark = principal.mark if workspace.tenant else ""
    return SessionBinding(workspace.name, workspace.tenant, mark, principal.grant)


class Handshake(NamedTuple):
    """The result of a session's handshake: protocol version and client capabilities."""

    version: str
    capabilities: dict[str, Any]


class SessionIds:
    """Makes and reads ids for one process. `path` is the file of the key, which is created when first needed; replicas
    that go on with each other's sessions have a common `key` instead."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, key: bytes | None = None) -> None:
        self._path = path
        self._clock = clock
        self._process = secrets.token_bytes(6)
        self._cipher = None if key is None else AESGCM(key)
        self._retired: set[str] = set()

    def seal(self, plain_id: str, binding: SessionBinding, handshake: Handshake) -> str:
        """The id of a new session, whose id so far is the replica's name and the random part. It is returned unchanged
        if the whole would be too long."""
        name, random_part = replica_names.split(plain_id)
        facts = _ORIGIN.pack(self._process, int(self._clock())) + codec.dumps(list(handshake))
        sealed = self._own_cipher().encrypt(_nonce(random_part), facts, _owner(binding, name))
        session_id = plain_id + _encoded(sealed)
        return session_id if len(session_id) <= MAX_ID_LENGTH else plain_id

    def read(self, session_id: str, binding: SessionBinding) -> Handshake | None:
        """The handshake of a session of an earlier process; None if the session cannot be resumed.

        It cannot if the id was not made for this owner, is too old, or was made or resumed by this process already,
        so that the session has ended.
        """
        name, own_id = replica_names.split(session_id)
        if not RANDOM_LENGTH < len(own_id) <= MAX_ID_LENGTH or not session_id.isascii():
            return None
        random_part, sealed = own_id[:RANDOM_LENGTH], own_id[RANDOM_LENGTH:]
        try:
            facts = self._own_cipher().decrypt(_nonce(random_part), _decoded(sealed), _owner(binding, name))
        except (InvalidTag, binascii.Error, ValueError):
            return None
        process, made = _ORIGIN.unpack_from(facts)
        if process == self._process or self._clock() - made > MAX_RESUME_AGE:
            return None
        if random_part in self._retired or len(self._retired) >= MAX_RETIRED:
            return None
        version, capabilities = codec.loads(facts[_ORIGIN.size :])
        return Handshake(version, capabilities)

    def retire(self, session_id: str) -> None:
        """Note that a resumed session has ended, so that it is not resumed again."""
        self._retired.add(replica_names.split(session_id)[1][:RANDOM_LENGTH])

    def _own_cipher(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(_load(self._path))
        return self._cipher


def _nonce(random_part: str) -> bytes:
    """The nonce of an id: as unique as its random part, which is never used twice."""
    return hashlib.sha256(random_part.encode()).digest()[:NONCE_BYTES]


def _owner(binding: SessionBinding, name: str) -> bytes:
    """What is authenticated beside the sealed part: the owner, so that an id is valid for its owner only, and the name
    of the replica, if the id has one."""
    owner = binding if binding.grant else binding[:-1]
    return codec.dumps([PURPOSE, *owner, {"replica": name}] if name else [PURPOSE, *owner])


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
    """The reverse of `_encoded`. Raises binascii.Error for another text, also for a second form of the same bytes."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encoded(data) != text:
        raise binascii.Error("not the form that `_encoded` makes")
    return data
