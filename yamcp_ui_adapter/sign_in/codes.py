"""Authorization codes: each good for a minute and once, in memory only. Pure; times are Unix time in seconds."""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from bridge.credentials.records import CODE
from bridge.keys import token_hash
from bridge.models import IssueCode, RedeemCode
from yamcp_ui_adapter.sign_in.errors import GrantInvalid
from yamcp_ui_adapter.sign_in.redirects import same_resource

CODE_SECONDS = 60.0
REMEMBERED_SECONDS = 3600.0
"""How long a used code is remembered, so that its grant ends if it comes again."""
MAX_CODES = 10_000
"""Codes in memory, used ones included; the oldest goes."""
MAX_PER_PRINCIPAL = 20
"""Codes of one principal that are not used yet; its oldest goes."""
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass
class IssuedCode:
    """What was allowed when the code was issued, and what became of it."""

    asked: IssueCode
    mark: str
    """As `GrantRecord.mark`."""
    issued: float
    used: bool = False
    grant: str = ""
    """The grant that was made with it; empty for none."""


class Codes:
    """The codes of the last hour."""

    def __init__(self) -> None:
        self._codes: dict[str, IssuedCode] = {}
        """By their hashes, oldest first."""

    def __len__(self) -> int:
        return len(self._codes)

    def issue(self, asked: IssueCode, mark: str, now: float) -> str:
        """Make a code."""
        self._make_room(asked.principal, now)
        code = CODE + secrets.token_urlsafe(32)
        self._codes[token_hash(code)] = IssuedCode(asked, mark, now)
        return code

    def find(self, code: str) -> IssuedCode:
        """Return a code that was issued. Raises GrantInvalid: it is unknown."""
        found = self._codes.get(token_hash(code))
        if found is None:
            raise GrantInvalid("The authorization code is unknown or has expired.")
        return found

    def get(self, hashed: str) -> IssuedCode | None:
        """The code with that hash; None if it is unknown."""
        return self._codes.get(hashed)

    def put(self, hashed: str, code: IssuedCode) -> None:
        """Take a code that another hub has issued, or used."""
        self._make_room(code.asked.principal, code.issued)
        self._codes[hashed] = code

    def _make_room(self, principal: str, now: float) -> None:
        for key in [key for key, code in self._codes.items() if code.issued + REMEMBERED_SECONDS <= now]:
            del self._codes[key]
        own = [key for key, code in self._codes.items() if not code.used and code.asked.principal == principal]
        for key in own[: max(0, len(own) - MAX_PER_PRINCIPAL + 1)]:
            del self._codes[key]
        while len(self._codes) >= MAX_CODES:
            del self._codes[next(iter(self._codes))]


def check(code: IssuedCode, body: RedeemCode, now: float) -> None:
    """Check that a code may be redeemed by this request. Raises GrantInvalid.

    The redirect URI may be missing: PKCE, which is required, does what it was for (OAuth 2.1, section 10.2).
    """
    asked = code.asked
    if code.used:
        raise GrantInvalid("The authorization code was used before.")
    if abs(now - code.issued) >= CODE_SECONDS:  # the clock may have been set back
        raise GrantInvalid("The authorization code has expired.")
    if body.client != asked.client:
        raise GrantInvalid("The authorization code was issued to another client.")
    if body.redirect_uri and body.redirect_uri != asked.redirect_uri:
        raise GrantInvalid("The redirect URI is not the one that the authorization code was sent to.")
    if not matches(body.verifier, asked.challenge):
        raise GrantInvalid("The code_verifier does not match the code_challenge.")
    if body.resource and not same_resource(body.resource, asked.resource):
        raise GrantInvalid("The authorization code is for another resource.", oauth="invalid_target")


def matches(verifier: str, challenge: str) -> bool:
    """Whether a PKCE verifier is that of a challenge by S256 (RFC 7636, section 4.6), in constant time."""
    said = urlsafe_b64encode(sha256(verifier.encode("utf-8", "surrogatepass")).digest()).rstrip(b"=")
    return hmac.compare_digest(said, challenge.encode()) and _VERIFIER.fullmatch(verifier) is not None
