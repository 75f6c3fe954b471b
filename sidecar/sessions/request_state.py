"""What a client keeps of a call that waits for its input: encrypted, authenticated, bound to that call, and expiring.

MCP 2026-07-28 (Multi Round-Trip Requests) has clients send `requestState` back as they got it, and servers treat it as
the work of an attacker. A state of the hub is AES-256-GCM under a key that lives in this process only.
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

from sidecar.errors import RequestStateExpired, RequestStateInvalid

Kind = Literal["parked", "server", "again"]
"""What a state stands for: a call that goes on in the hub; what the server wants back; a call to be made anew."""

PREFIX = "hub1."
"""Names the form of a state, so that another one can follow."""
START, NONCE, TAG = 8, 12, 16
"""Bytes of the mark of the process that made it, of the nonce, and of the tag of AES-GCM."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a state is good for, and nothing else."""

    tenant: str
    """Id of the key whose client calls."""
    workspace: str
    server: str
    method: str
    name: str
    """The server's own name of the tool or prompt, or its URI of the resource."""
    arguments: Any = None

    def digest(self) -> str:
        """Tells one binding from another."""
        facts = [self.tenant, self.workspace, self.server, self.method, self.name, self.arguments]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class State:
    """What a state says, once it is opened."""

    kind: Kind
    value: str | None
    """What the parked call is found by, or the server's own state if it gave one."""


class Sealer:
    """Makes and opens states; `lifetime` in seconds. Those from before a restart are expired."""

    def __init__(self, lifetime: float, clock: Callable[[], float] = time.time) -> None:
        self.lifetime = lifetime
        self._clock = clock
        self._start = secrets.token_bytes(START)
        self._cipher = AESGCM(AESGCM.generate_key(256))

    def seal(self, binding: Binding, state: State) -> str:
        """A state for a client to keep."""
        claims = {"b": binding.digest(), "x": self._clock() + self.lifetime, "k": state.kind, "v": state.value}
        nonce = secrets.token_bytes(NONCE)
        sealed = self._cipher.encrypt(nonce, json.dumps(claims).encode(), PREFIX.encode() + self._start)
        return PREFIX + base64.urlsafe_b64encode(self._start + nonce + sealed).decode().rstrip("=")

    def open(self, binding: Binding, token: Any) -> State:
        """The state that a client sent back with a request.

        Raises:
            RequestStateInvalid: it is none of the hub's, was changed, or is about another call.
            RequestStateExpired: it is too old, or from before the hub was started.
        """
        claims = self._decrypt(token)
        if not hmac.compare_digest(str(claims["b"]), binding.digest()):
            raise RequestStateInvalid("The requestState belongs to another call: other arguments, server or key.")
        if not self._clock() < claims["x"]:
            raise RequestStateExpired(f"The requestState is older than {self.lifetime:g} s.")
        return State(claims["k"], claims["v"])

    def _decrypt(self, token: Any) -> Mapping[str, Any]:
        raw = _decode(token)
        if raw is None:
            raise RequestStateInvalid("The requestState is none that this hub gave.")
        start, nonce, sealed = raw[:START], raw[START : START + NONCE], raw[START + NONCE :]
        if start != self._start:
            raise RequestStateExpired("The requestState is from before the hub was started.")
        try:
            claims: Mapping[str, Any] = json.loads(self._cipher.decrypt(nonce, sealed, PREFIX.encode() + start))
        except InvalidTag:
            raise RequestStateInvalid("The requestState was changed on its way.") from None
        return claims


def _decode(token: Any) -> bytes | None:
    """The bytes of a state, if it has the form of one; only one spelling of the same bytes does."""
    if not isinstance(token, str) or not token.startswith(PREFIX):
        return None
    text = token.removeprefix(PREFIX)
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=") == text
    return raw if canonical and len(raw) > START + NONCE + TAG else None
