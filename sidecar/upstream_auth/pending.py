"""Sign-ins that have begun: each can be finished once, within 10 minutes, by the same user in the same browser."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from pydantic import BaseModel, ConfigDict, ValidationError

from sidecar.sign_in_errors import SignInStateInvalid
from sidecar.upstream_auth.registration import Client
from sidecar.upstream_auth.sealing import Damaged
from sidecar.upstream_auth.store import Store


class Pending(BaseModel):
    """What is kept of a sign-in until it is finished. It has to survive a reload of the sidecar."""

    model_config = ConfigDict(frozen=True)

    server: str
    owner: str
    principal: str
    browser: str
    """SHA-256 (hex) of the browser's secret."""
    url: str
    redirect_uri: str
    verifier: str
    issuer: str
    sends_issuer: bool
    """Whether the authorization server says who it is in its redirect (RFC 9207)."""
    token_endpoint: str
    revocation_endpoint: str | None
    resource: str | None
    scopes: tuple[str, ...]
    client: Client
    until: float
    """Unix time, ONCE_SECONDS after the beginning."""


def hashed(browser: str) -> str:
    """The hash under which a browser's secret is kept."""
    return hashlib.sha256(browser.encode()).hexdigest()


async def begin(store: Store, pending: Pending) -> str:
    """Keep a sign-in that begins; returns its `state` (RFC 6749, 10.12). Raises OSError, SignInUnavailable."""
    state = secrets.token_urlsafe(32)
    await store.put_once(_name(state), pending.model_dump_json().encode())
    return state


async def finish(store: Store, state: str, principal: str, browser: str) -> Pending:
    """Take the sign-in with that state. Raises SignInStateInvalid, SignInUnavailable."""
    try:
        content = await store.take_once(_name(state))
        pending = None if content is None else Pending.model_validate_json(content)
    except (Damaged, ValidationError):
        pending = None
    if pending is None or time.time() > pending.until:
        raise SignInStateInvalid("This sign-in is unknown, over, or was finished already.")
    if pending.principal != principal:
        raise SignInStateInvalid("This sign-in was begun by another user of the hub.")
    if not hmac.compare_digest(pending.browser, hashed(browser)):
        raise SignInStateInvalid("This sign-in was begun in another browser.")
    return pending


def _name(state: str) -> str:
    """The name of the record: a hash, so that the file does not have the state."""
    return hashlib.sha256(state.encode()).hexdigest()
