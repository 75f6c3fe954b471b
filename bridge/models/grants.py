"""Sign-in: the requests about OAuth clients, authorization codes, tokens and grants, about users, and browser logins.

The front speaks OAuth 2.1 and OpenID Connect with clients, browsers and providers; the adapter decides with these
requests, and stores the result (docs/oauth.md). An error that a client has to be told by OAuth's rules has the code of
RFC 6749 (or 7591, 8707) in `data.oauth_error`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge.models.base import Done, Model, Request

Text = Annotated[str, Field(max_length=256)]
Uri = Annotated[str, Field(max_length=2048)]
Scopes = Annotated[tuple[Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,64}$")], ...], Field(max_length=16)]
"""Scope tokens (RFC 6749, section 3.3)."""
Names = Annotated[tuple[Text, ...], Field(max_length=1000)]
Secret = Annotated[str, Field(max_length=256)]

MAX_REDIRECT_URIS = 10
"""Redirect URIs of one client."""


# --- Clients ----------------------------------------------------------------------------------------------------------


class OAuthClient(Model):
    """The answer to `find_client`: a registered client."""

    id: str
    """`c` and 16 hexadecimal digits, or the URL of its Client ID Metadata Document."""
    name: str
    redirect_uris: tuple[str, ...]
    uri: str = ""
    """Its home page, as it says."""
    at: float
    """When it registered (Unix time)."""
    used: float | None = None
    """When a user last allowed it something (Unix time); null for one that was never used."""


class FindClient(Request[OAuthClient], kind="find_client", sockets=("desired",)):
    """Request a registered client. Refused with NO_SUCH_CLIENT if it is unknown, or its registration has expired."""

    id: Uri


class ClientRegistered(Model):
    """The answer to `register_client`."""

    id: str
    issued_at: int
    """Unix time."""


class RegisterClient(Request[ClientRegistered], kind="register_client", sockets=("desired",), repeatable=False):
    """Register a public client (RFC 7591). An unused registration expires after an hour, others 90 days after their
    last use. Refused with CLIENT_INVALID, TOO_MANY_CLIENTS.
    """

    name: Text
    redirect_uris: Annotated[tuple[Uri, ...], Field(min_length=1, max_length=MAX_REDIRECT_URIS)]
    uri: Uri = ""
    id: Uri = ""
    """The URL of a Client ID Metadata Document, which is the client's id; empty: the adapter makes an id."""


# --- Codes and tokens -------------------------------------------------------------------------------------------------


class CodeIssued(Model):
    """The answer to `issue_code`."""

    code: str


class IssueCode(Request[CodeIssued], kind="issue_code", sockets=("desired",), repeatable=False):
    """Make an authorization code after a principal has allowed a client to use a workspace. It can be redeemed once,
    within a minute, by the process that made it, or any hub that shares its grants. Refused with NO_SUCH_CLIENT,
    CLIENT_INVALID (another redirect URI than the client registered), NO_SUCH_WORKSPACE, PRINCIPAL_UNKNOWN, OAUTH_OFF.
    """

    client: Uri
    """A registered id, or the URL of a Client ID Metadata Document, which the front has checked."""
    client_name: Text
    redirect_uri: Uri
    challenge: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    """PKCE's `code_challenge` by S256 (RFC 7636); no other method is supported."""
    workspace: str
    """The name of the workspace that the resource is an endpoint of."""
    scopes: Scopes = ()
    principal: Text
    """`admin`, the id of a key, or the id of a user."""
    resource: Uri = ""
    """The resource as the client named it (RFC 8707); empty if it named none."""
    login: Text = ""
    """The id of the browser login in which a user allowed it; empty for the hub's token and keys."""


class Tokens(Model):
    """The answer to `redeem_code` and `refresh_grant`: the only messages with these tokens, of which the hub stores
    hashes.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds for which the access token is valid."""
    scopes: tuple[str, ...]
    grant: str
    """The id of the grant: `g` and 16 hexadecimal digits."""


class RedeemCode(Request[Tokens], kind="redeem_code", sockets=("desired",), queue="tokens", repeatable=False):
    """Exchange an authorization code for tokens, which makes a grant. A code that comes again ends its grant.
    Refused with OAUTH_GRANT_INVALID.
    """

    code: Secret
    client: Uri
    redirect_uri: Uri
    """Empty if the client does not repeat it (OAuth 2.1, section 10.2)."""
    verifier: Secret
    """PKCE's `code_verifier`."""
    resource: Uri = ""
    """Empty: that of the code."""


class RefreshGrant(Request[Tokens], kind="refresh_grant", sockets=("desired",), queue="tokens", repeatable=False):
    """Exchange a refresh token for new tokens. The one before the newest is good for another minute, in case that the
    answer was lost; an older one ends the grant, because it was copied. Refused with OAUTH_GRANT_INVALID.
    """

    refresh_token: Secret
    client: Uri
    resource: Uri = ""
    """Empty: that of the grant."""
    scopes: Scopes = ()
    """None: those of the grant; else a part of them, for the new access token."""


class RevokeToken(Request[Done], kind="revoke_token", sockets=("desired",), queue="tokens"):
    """End the grant of an access or refresh token (RFC 7009). One that is unknown, or another client's, is ignored."""

    token: Secret
    client: Uri = ""
    """The client that asks; empty: whoever has the token."""


# --- Grants -----------------------------------------------------------------------------------------------------------


class Grant(Model):
    """What a principal has allowed a client: the use of one workspace, until the grant ends."""

    id: str
    client: str
    client_name: str
    redirect_host: str
    """The host (and port) of the redirect URI, or the scheme of one that has no host: it shows where tokens went."""
    principal: str
    """The id of the principal."""
    principal_name: str
    """Its name now: of a key, or of a user; empty if it is gone."""
    workspace: str
    scopes: tuple[str, ...]
    at: float
    """When it was made (Unix time)."""
    last_used: float | None
    """When a request last came with one of its tokens, to about a minute (Unix time); null if none did."""
    expires: float
    """When it ends unless it is refreshed (Unix time)."""


class Grants(Model):
    """The answer to `list_grants`, newest first."""

    grants: tuple[Grant, ...]


class ListGrants(Request[Grants], kind="list_grants", sockets=("desired",)):
    """Request the grants in force: those of a principal (its id), or all."""

    principal: Text | None = None


class EndGrant(Request[Done], kind="end_grant", sockets=("desired",), queue="tokens", repeatable=False):
    """End a grant. Its tokens are refused within a second. Refused with NO_SUCH_GRANT."""

    id: Text
    principal: Text | None = None
    """The principal that asks, which can end its own grants only; null: one that can end any."""


# --- Users and browser logins -----------------------------------------------------------------------------------------


class UserId(Model):
    """The answer to `sign_in_user`."""

    id: str
    """`u` and 15 hexadecimal digits, which depend on issuer and subject alone."""


class SignInUser(Request[UserId], kind="sign_in_user", sockets=("desired",), queue="tokens"):
    """Record a user whom an OpenID provider has just identified, with the provider's claims."""

    issuer: Uri
    sub: Text
    name: Text = ""
    email: Text = ""
    """An address that the provider has verified, else empty."""
    groups: Names = ()
    roles: Names = ()


class BeginLogin(Request[Done], kind="begin_login", sockets=("desired",), queue="tokens"):
    """Record a browser login, so that it can be ended and survives a restart. Refused with PRINCIPAL_UNKNOWN."""

    id: Text
    """The nonce in the browser's cookie."""
    principal: Text
    until: float
    """Unix time."""
    sid: Text = ""
    """The id of the session at the provider, if it says one."""
    issuer: Uri = ""


class EndLogins(Request[Done], kind="end_logins", sockets=("desired",), queue="tokens"):
    """End the logins to which all that is given applies, and something is: one login, those of a principal, or those
    of a session or subject at a provider (OpenID Connect Back-Channel Logout).
    """

    issuer: Uri | None = None
    sub: Text | None = None
    sid: Text | None = None
    id: Text | None = None
    principal: Text | None = None
    grants: bool = False
    """End the grants that were allowed in these logins, too."""


class User(Model):
    """A user of an OpenID provider."""

    id: str
    issuer: str
    sub: str
    name: str
    email: str
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    at: float
    """When the user last signed in at the provider (Unix time)."""
    logins: int
    """Number of browser logins."""
    grants: int
    """Number of grants in force."""


class Users(Model):
    """The answer to `list_users`, by name."""

    users: tuple[User, ...]


class ListUsers(Request[Users], kind="list_users", sockets=("desired",)):
    """Request the users who have signed in."""


class EndUser(Request[Done], kind="end_user", sockets=("desired",), queue="tokens", repeatable=False):
    """Remove a user, given by id or e-mail address: all grants and logins end. The provider can let the user sign in
    again. Refused with NO_SUCH_USER.
    """

    user: Text
