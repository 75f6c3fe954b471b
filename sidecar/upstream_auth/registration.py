"""The hub's registration as a client of an authorization server (MCP 2026-07-28, Authorization, Client Registration).

In this order: a client that somebody registered by hand (`oauth_client_id`), the hub's own client metadata document if
the server supports these and the hub has a public https URL, and dynamic registration (RFC 7591).
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from mcp.client.auth.utils import is_valid_client_metadata_url
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from pydantic import AnyUrl, BaseModel, ConfigDict, ValidationError

from sidecar.channels.web import place
from sidecar.sign_in_errors import SignInFailed, SignInUnavailable
from sidecar.upstream_auth.discovery import GRANTS, Discovered
from sidecar.upstream_auth.fetching import Answer, Fetcher

CLIENT_NAME = "yamcp-hub"
METHODS = ("none", "client_secret_post", "client_secret_basic")
"""The ways to authenticate at the token endpoint that the hub has; the first that a server supports is registered."""


class Client(BaseModel):
    """The hub as a client of one authorization server."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    client_secret: str | None = None
    auth_method: str = "none"
    """One of METHODS."""
    issuer: str = ""
    redirect_uri: str = ""
    secret_expires: float = 0
    """Unix time; 0: never (RFC 7591, 3.2.1)."""
    scopes: tuple[str, ...] | None = None
    """The scopes that it may ask for; None for any."""

    def fits(self, issuer: str, redirect_uri: str, scopes: str) -> bool:
        """Whether it is valid for a sign-in at this authorization server that returns to `redirect_uri`."""
        lasts = not self.secret_expires or time.time() < self.secret_expires - 60
        may_ask = self.scopes is None or set(scopes.split()) <= set(self.scopes)
        return lasts and may_ask and (self.issuer, self.redirect_uri) == (issuer, redirect_uri)


def registered_by_hand(found: Discovered, client_id: str, secret: str | None, redirect_uri: str) -> Client:
    """The client that the settings of the server name. `secret`: with its reference expanded."""
    offered = found.metadata.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    basic = "client_secret_basic" in offered or "client_secret_post" not in offered
    method = ("client_secret_basic" if basic else "client_secret_post") if secret else "none"
    return Client(
        client_id=client_id, client_secret=secret, auth_method=method, issuer=found.issuer, redirect_uri=redirect_uri
    )


def by_document(found: Discovered, document: str, redirect_uri: str) -> Client | None:
    """The client that the hub's metadata document describes; None if the server or the hub has no use of one."""
    if not found.metadata.client_id_metadata_document_supported or not is_valid_client_metadata_url(document):
        return None
    return Client(client_id=document, issuer=found.issuer, redirect_uri=redirect_uri)


async def register(fetcher: Fetcher, found: Discovered, redirect_uri: str, scopes: str) -> Client:
    """Register the hub dynamically, as a client that may ask for `scopes`.

    Raises:
        SignInFailed: the server registers no clients, refuses this one, or wants an authentication that the hub lacks.
        SignInUnavailable: it does not answer.
    """
    endpoint = found.metadata.registration_endpoint
    if endpoint is None:
        raise SignInFailed(
            f"The authorization server {place(found.issuer)} registers no clients by itself.",
            hint=f"Register the hub there with the redirect URI {redirect_uri}, and set `oauth_client_id` (and "
            "`oauth_client_secret`) of the server.",
        )
    body = _metadata(found, redirect_uri, scopes).model_dump_json(exclude_none=True).encode()
    headers = {"accept": "application/json", "content-type": "application/json"}
    answer = await fetcher.send("POST", str(endpoint), headers, body)
    if answer.status >= 500 or answer.status == 429:
        raise SignInUnavailable(f"{place(str(endpoint))} answers a registration with HTTP {answer.status}.")
    return _client(found, answer, redirect_uri, scopes)


def _metadata(found: Discovered, redirect_uri: str, scopes: str) -> OAuthClientMetadata:
    offered = found.metadata.token_endpoint_auth_methods_supported
    method = next((each for each in METHODS if offered is None or each in offered), None)
    if method is None:
        raise SignInFailed(
            f"The authorization server {place(found.issuer)} wants {', '.join(offered or ())} of clients."
        )
    host = urlsplit(redirect_uri).hostname or ""
    local = host in ("localhost", "127.0.0.1", "::1")
    return OAuthClientMetadata(
        redirect_uris=[AnyUrl(redirect_uri)],
        client_name=CLIENT_NAME,
        grant_types=GRANTS,
        response_types=["code"],
        token_endpoint_auth_method=method,
        scope=scopes or None,
        application_type="native" if local else "web",
    )


def _client(found: Discovered, answer: Answer, redirect_uri: str, scopes: str) -> Client:
    who = f"The authorization server {place(found.issuer)}"
    if not answer.good:
        raise SignInFailed(f"{who} refuses to register the hub: HTTP {answer.status}.")
    try:
        given = OAuthClientInformationFull.model_validate_json(answer.body)
    except ValidationError:
        raise SignInFailed(f"{who} answers a registration with something else.") from None
    method = given.token_endpoint_auth_method or ("client_secret_basic" if given.client_secret else "none")
    if method not in METHODS or (method != "none" and not given.client_secret):
        raise SignInFailed(f"{who} registered the hub for {method[:40]!r}, which the hub cannot use.")
    return Client(
        client_id=given.client_id,
        client_secret=given.client_secret,
        auth_method=method,
        issuer=found.issuer,
        redirect_uri=redirect_uri,
        secret_expires=given.client_secret_expires_at or 0,
        scopes=tuple((given.scope or scopes).split()) or None,
    )
