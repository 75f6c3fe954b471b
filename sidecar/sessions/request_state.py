"""The `requestState` tokens of `input_required` results: encrypted, authenticated, bound to one call, and expiring.

A client sends `requestState` back unchanged, and the hub must not trust it (MCP 2026-07-28, Multi Round-Trip
Requests). A token is encrypted with AES-256-GCM under a key that exists in this process only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.input_errors import RequestStateExpired, RequestStateInvalid
from sidecar.protocol import replica_names

StateKind = Literal["suspended", "server", "repeat", "sign_in"]
"""What a state stands for: a call suspended in the hub; a state of the server; a call that is sent again, at once or
after a sign-in at the server."""

PREFIX = "hub1."
"""The version of the token format. The name of the replica follows, if it has one (protocol/replica_names.py)."""
PROCESS_ID_BYTES, NONCE_BYTES, TAG_BYTES = 8, 12, 16
"""Lengths in bytes: of the id of the process that made the token, and of the nonce and tag of AES-GCM."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The call that a state is valid for."""

    tenant: str
    """Id of the access key of the client, and of its grant if it has one."""
    workspace: str
    server: str
    method: str
    name: str
    """The name of the tool or prompt at the server, or the server's URI of the resource."""
    arguments: Any = None

    def digest(self) -> str:
        """SHA-256 (hex) over all fields."""
        facts = [self.tenant, self.workspace, self.server, self.method, self.name, self.arguments]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class State:
    """The content of a token."""

    kind: StateKind
    value: str | None
    """The ticket of the suspended call, the server's own state if it sent one, or how often somebody had signed in."""


class RequestStates:
    """Encrypts and decrypts tokens; `lifetime` is in seconds. Tokens from before a restart of the hub are expired."""

    def __init__(self, lifetime: float, replica: str = "", clock: Callable[[], float] = time.time) -> None:
        self._replica = replica
        self.lifetime = lifetime
        self._clock = clock
        self._process_id = secrets.token_bytes(PROCESS_ID_BYTES)
        self._cipher = AESGCM(AESGCM.generate_key(256))

    def seal(self, binding: Binding, state: State) -> str:
        """Make the token for a state."""
        claims = {"b": binding.digest(), "x": self._clock() + self.lifetime, "k": state.kind, "v": state.value}
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(claims).encode(), self._authenticated())
        text = base64.urlsafe_b64encode(self._process_id + nonce + sealed).decode().rstrip("=")
        return PREFIX + replica_names.named(self._replica, text)

    def open(self, binding: Binding, token: Any) -> State:
        """The state in a token that a client sent back with a request.

        Raises:
            RequestStateInvalid: the token was not made by the hub, was changed, or belongs to another call.
            RequestStateExpired: the token is too old, or from before the hub was started.
        """
        claims = self._decrypt(token)
        if not hmac.compare_digest(str(claims["b"]), binding.digest()):
            raise RequestStateInvalid("The requestState belongs to another call: other arguments, server or key.")
        if not self._clock() < claims["x"]:
            raise RequestStateExpired(f"The requestState is older than {self.lifetime:g} s.")
        return State(claims["k"], claims["v"])

    def _decrypt(self, token: Any) -> Mapping[str, Any]:
        replica, raw = _decode(token)
        if raw is None:
            raise RequestStateInvalid("The requestState was not made by this hub.")
        if replica != self._replica:
            raise RequestStateExpired("The requestState is of another replica of the hub.")
        process_id, nonce, sealed = (
            raw[:PROCESS_ID_BYTES],
            raw[PROCESS_ID_BYTES : PROCESS_ID_BYTES + NONCE_BYTES],
            raw[PROCESS_ID_BYTES + NONCE_BYTES :],
        )
        if process_id != self._process_id:
            raise RequestStateExpired("The requestState is from before the hub was started.")
        try:
            claims: Mapping[str, Any] = json.loads(self._cipher.decrypt(nonce, sealed, self._authenticated()))
        except InvalidTag:
            raise RequestStateInvalid("The requestState was changed on its way.") from None
        return claims

    def _authenticated(self) -> bytes:
        """What is authenticated beside the sealed part."""
        return replica_names.named(self._replica, PREFIX).encode() + self._process_id


def _decode(token: Any) -> tuple[str, bytes | None]:
    """The name of the replica and the bytes of a token in the right format, else None. Only the canonical base64
    spelling is accepted."""
    if not isinstance(token, str) or not token.startswith(PREFIX):
        return "", None
    replica, text = replica_names.split(token.removeprefix(PREFIX))
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return "", None
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=") == text
    return replica, raw if canonical and len(raw) > PROCESS_ID_BYTES + NONCE_BYTES + TAG_BYTES else None
