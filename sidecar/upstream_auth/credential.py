"""What is stored of a sign-in: the tokens, and what is needed to refresh and revoke them."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict

from sidecar.upstream_auth.registration import Client

MARGIN = 60.0
"""Seconds before its end from which on an access token is refreshed; a tenth of its life if that is shorter."""


class Credential(BaseModel):
    """One owner's credential at one server. Times are Unix times."""

    model_config = ConfigDict(frozen=True)

    url: str
    """The URL of the server that it was obtained for; it is sent to no other."""
    issuer: str
    token_endpoint: str
    revocation_endpoint: str | None = None
    resource: str | None = None
    client: Client
    access_token: str
    refresh_token: str | None = None
    obtained: float
    """When the access token was obtained."""
    expires: float | None = None
    """When the access token ends; None if that is not known."""
    since: float
    """When somebody signed in."""
    scopes: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    """Scopes that requests lacked since."""

    @property
    def mark(self) -> str:
        """What tells this sign-in from others of the same owner at the same server; a refresh does not change it."""
        return repr(self.since)

    @property
    def fresh(self) -> bool:
        """Whether the access token need not be refreshed yet."""
        if self.expires is None:
            return True
        return time.time() < self.expires - min(MARGIN, (self.expires - self.obtained) / 10)

    @property
    def valid(self) -> bool:
        """Whether the access token has not ended, as far as is known."""
        return self.expires is None or time.time() < self.expires

    @property
    def secrets(self) -> set[str]:
        """The values that must not appear anywhere."""
        found = (self.access_token, self.refresh_token, self.client.client_secret)
        return {each for each in found if each}
