"""JWTs of an external authorization server as access tokens (RFC 9068, RFC 7519, RFC 8725).

A JWT cannot be revoked: it is good until it ends, or its key is withdrawn. What its client has opened lives on when the
client comes with a newer one in time, as with grants of the hub's own server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from bridge.credentials.records import user_id
from bridge.keys import Principal
from bridge.settings import Settings, listed
from sidecar.access.credential import Credential
from sidecar.access.jwks import KeySet
from sidecar.access.jwt_claims import Rejected, header_of, unverified_claims
from sidecar.access.users import subjects_of_user

SKEW_SECONDS = 60.0
"""Seconds by which the clocks of the issuer and of this machine may differ."""
MAX_TOKEN = 8192
"""Longest token, in characters."""
MAX_REMEMBERED = 4096
"""Tokens, and clients, that are remembered."""
MARK = "jwt"
"""The mark of principals: the same user may also have signed in at the hub itself, with other groups."""
MAX_TRIED = 8
"""Keys that are tried for a token that names none."""


class Known(NamedTuple):
    """The newest token of a client."""

    principal: Principal
    kid: str | None


class JwtTokens:
    """The JWTs of one issuer (`TokenKind`)."""

    def __init__(self, settings: Settings, keys: KeySet | None = None, now: Callable[[], float] | None = None) -> None:
        self._settings = settings
        self._audiences = frozenset(listed(settings.jwt_audience))
        self._scopes = listed(settings.jwt_scopes)
        self._algorithms = listed(settings.jwt_algorithms)
        self._registry = JWSRegistry(algorithms=self._algorithms, strict_check_header=False)
        self._keys = keys or KeySet(settings)
        self._keys.on_withdrawn = self._withdrawn
        self._now = now or (lambda: time.time())  # noqa: PLW0108 - tests replace it
        self._valid: dict[bytes, Credential] = {}
        """Tokens that were checked, by hash: a check takes about a millisecond."""
        self._clients: dict[str, Known] = {}
        self._ended: set[str] = set()
        """Clients whose key was withdrawn."""
        self.version = 0
        self.in_use = True

    def recognises(self, token: str) -> bool:
        """See `TokenKind`."""
        return token.startswith("eyJ") and token.count(".") == 2

    def knows(self, principal: Principal) -> bool:
        """See `TokenKind`."""
        return principal.grant.startswith("j") if principal.grant else principal.mark == MARK

    def has_removed(self, user: str) -> bool:
        """See `TokenKind`: only the issuer knows that."""
        return False

    def check(self, token: str) -> Credential | None:
        """See `Authenticator`."""
        if len(token) > MAX_TOKEN:
            return None
        known = sha256(token.encode()).digest()
        found = self._valid.get(known)
        if found is None:
            try:
                found = self._verified(token)
            except (Rejected, JoseError, ValueError, TypeError):
                return None
            if len(self._valid) >= MAX_REMEMBERED:
                self._valid.clear()
            self._valid[known] = found
        return self._as_newest(found) if found.until is not None and self._now() < found.until else None

    def current(self, principal: Principal) -> Principal | None:
        """See `Authenticator`."""
        if not principal.grant:
            return principal
        if principal.grant in self._ended:
            return None
        known = self._clients.get(principal.grant)
        return known.principal if known and known.principal.subjects == principal.subjects else principal

    def refresh(self) -> None:
        """See `Authenticator`: the keys are fetched by `run`."""

    async def run(self, until: asyncio.Event) -> None:
        """See `Authenticator`."""
        await self._keys.run(until)

    async def learn(self, token: str) -> bool:
        """See `Authenticator`: fetch the keys, if the token names one that is not known."""
        try:
            kid = self._kid(token)
            self._check_claims(unverified_claims(token))
        except (Rejected, ValueError, TypeError):
            return False
        return not self._keys.find(kid) and await self._keys.look_for(kid)

    # --- one token ---------------------------------------------------------------------------------------------------

    def _kid(self, token: str) -> str | None:
        """The key id in a token's header. Raises Rejected."""
        if len(token) > MAX_TOKEN:
            raise Rejected
        header = header_of(token)
        if header.get("alg") not in self._algorithms or str(header.get("typ", "JWT")).lower() not in TYPES:
            raise Rejected
        kid = header.get("kid")
        return kid if isinstance(kid, str) else None

    def _verified(self, token: str) -> Credential:
        """Check a token; the claims first, as that costs less than the signature. Raises Rejected, JoseError."""
        kid = self._kid(token)
        self._check_claims(unverified_claims(token))
        for key in self._keys.find(kid)[:MAX_TRIED]:
            try:
                claims = jwt.decode(token, key, registry=self._registry).claims
            except (JoseError, ValueError, TypeError):
                continue
            return self._credential(claims, kid)
        raise Rejected

    def _check_claims(self, claims: dict[str, Any]) -> None:
        """Raises Rejected for a token of another issuer, for another audience, or of another time."""
        now, end = self._now(), _time(claims, "exp")
        if claims.get("iss") != self._settings.jwt_issuer or end is None or end + SKEW_SECONDS <= now:
            raise Rejected
        if any((_time(claims, name) or 0) > now + SKEW_SECONDS for name in ("nbf", "iat")):
            raise Rejected
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise Rejected
        audiences = _texts(claims.get("aud"))
        if not audiences or (self._audiences and not self._audiences & audiences):
            raise Rejected

    def _credential(self, claims: dict[str, Any], kid: str | None) -> Credential:
        scopes = _words(claims.get("scope")) | _words(claims.get("scp"))
        principal = self._principal(claims)
        self._remember(principal, kid)
        return Credential(
            principal,
            principal.valid_until,
            None if self._audiences else _texts(claims["aud"]),
            "" if scopes.issuperset(self._scopes) else " ".join(self._scopes),
        )

    def _principal(self, claims: dict[str, Any]) -> Principal:
        given, issuer, subject = self._settings, str(self._settings.jwt_issuer), claims["sub"]
        user = user_id(issuer, subject)
        email = _text(claims.get(given.jwt_email_claim)) if claims.get("email_verified", True) is True else ""
        name = _text(claims.get(given.jwt_name_claim))
        client = next((text for each in ("client_id", "azp", "appid") if (text := _text(claims.get(each)))), "")
        groups, roles = (_texts(claims.get(each)) for each in (given.jwt_groups_claim, given.jwt_roles_claim))
        return Principal(
            user,
            name or email or subject,
            mark=MARK,
            valid_until=claims["exp"] + SKEW_SECONDS,
            grant="j" + sha256(f"{user}\n{client}".encode()).hexdigest()[:16],
            client=client,
            subjects=subjects_of_user(user, email, groups, roles),
            claims={"sub": subject, "name": name, "email": email, "issuer": issuer},
        )

    # --- clients -----------------------------------------------------------------------------------------------------

    def _remember(self, principal: Principal, kid: str | None) -> None:
        known = self._clients.get(principal.grant)
        if known is None or (known.principal.valid_until or 0) <= (principal.valid_until or 0):
            if len(self._clients) >= MAX_REMEMBERED:
                self._clients = {each: one for each, one in self._clients.items() if not one.principal.expired}
            self._clients[principal.grant] = Known(principal, kid)
            self._ended.discard(principal.grant)

    def _as_newest(self, found: Credential) -> Credential:
        """A credential whose principal has the end of its client's newest token; of one with other groups or roles it
        has not: what was opened with a token of former rights does not outlast it."""
        known = self._clients.get(found.principal.grant)
        if known is None or known.principal.subjects != found.principal.subjects:
            return found
        return found._replace(principal=replace(found.principal, valid_until=known.principal.valid_until))

    def _withdrawn(self, kids: frozenset[str]) -> None:
        """Keys were withdrawn: forget what was checked, and end what was opened with tokens of them. Of a token that
        names no key it is not known; its client has to come with it, or a newer one, again."""
        self._valid.clear()
        ended = [grant for grant, known in self._clients.items() if known.kid is None or known.kid in kids]
        self._ended = set(ended) | (self._ended if len(self._ended) < MAX_REMEMBERED else set())
        for grant in ended:
            del self._clients[grant]
        self.version += 1


TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""The types (header `typ`) of tokens that may be access tokens, in lower case."""


def _time(claims: dict[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, 2). Raises Rejected for another value."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected
    return float(value)


def _text(value: Any) -> str:
    return value[:256] if isinstance(value, str) else ""


def _texts(value: Any) -> frozenset[str]:
    """A claim that is a text, or a list of texts."""
    items: Iterable[Any] = value if isinstance(value, list) else [value]
    return frozenset(item for item in items if isinstance(item, str) and item)


def _words(value: Any) -> frozenset[str]:
    """Scopes: separated by spaces (RFC 9068, 2.2.3), or a list."""
    return frozenset(value.split()) if isinstance(value, str) else _texts(value)
