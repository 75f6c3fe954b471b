"""Sign-ins at remote servers: requests to begin, finish, list and end them (docs/upstream-sign-in.md)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Done, Model, Request

_STATE = r"^[A-Za-z0-9_-]{43}$"


class UpstreamSignIn(Model):
    """A sign-in at a server with `sign_in`, or the lack of one. It contains no token."""

    server: str
    """The server's key."""
    mode: Literal["user", "shared"]
    owner: str
    """Id of the principal whose credential it is. Empty: that of all clients (`shared`), of the hub's token, or of
    everybody in an unprotected hub."""
    signed_in: bool
    issuer: str = ""
    """The authorization server that issued the tokens."""
    scopes: tuple[str, ...] = ()
    since: float | None = None
    """Unix time of the sign-in."""
    expires: float | None = None
    """Unix time at which the access token ends; null if that is not known."""
    refreshable: bool = False
    """Whether the hub can get new access tokens without the user."""
    reason: ErrorBody | None = None
    """Why nobody is signed in, if the hub knows more than that nobody has signed in yet."""


class UpstreamSignIns(Model):
    """The answer to `upstream_sign_ins`."""

    sign_ins: tuple[UpstreamSignIn, ...]


class ListUpstreamSignIns(Request[UpstreamSignIns], kind="upstream_sign_ins", sockets=("actual",)):
    """Request the state of the sign-ins of one principal at all servers with `sign_in`."""

    principal: str = ""
    """Its id, as in a browser login; empty in an unprotected hub."""
    every_owner: bool = False
    """Also request those of all other principals; for administrators."""


class UpstreamSignInBegun(Model):
    """The answer to `begin_upstream_sign_in`."""

    url: str
    """The address at the authorization server to which the user's browser is to go."""
    issuer: str
    """The authorization server."""
    server: str
    namespace: str
    mode: Literal["user", "shared"]
    scopes: tuple[str, ...]
    """The scopes that the hub asks for."""


class BeginUpstreamSignIn(
    Request[UpstreamSignInBegun], kind="begin_upstream_sign_in", sockets=("actual",), repeatable=False
):
    """Begin a sign-in at a server, for the principal that is logged in at the browser.

    The hub discovers the authorization server and registers itself there if necessary. The sign-in has to be finished
    within 10 minutes, by the same principal in the same browser.
    """

    server: str
    """The server's key."""
    principal: str = ""
    """Id of the principal of the browser's login; empty in an unprotected hub."""
    admin: bool = False
    """Whether it may sign in for all clients (`shared`)."""
    browser: str = Field(min_length=1, max_length=128)
    """A secret that only this browser has."""
    redirect_uri: str = Field(pattern=r"^https?://", max_length=2048)
    """The address of the hub's `/connect/callback` as the browser reaches it."""
    client_metadata: str = ""
    """The public https URL of the hub's client metadata document; empty if there is none."""
    for_principal: str | None = None
    """Whom the link was made for that the user followed; null for one that was made for nobody in particular."""


class FinishUpstreamSignIn(
    Request[UpstreamSignIn], kind="finish_upstream_sign_in", sockets=("actual",), repeatable=False
):
    """Finish a sign-in with what the authorization server's redirect says (RFC 6749, 4.1.2; RFC 9207)."""

    state: str = Field(pattern=_STATE)
    principal: str = ""
    browser: str = Field(min_length=1, max_length=128)
    code: str = Field("", max_length=8192)
    iss: str | None = Field(None, max_length=2048)
    error: str = Field("", max_length=256)
    error_description: str = Field("", max_length=2048)


class EndUpstreamSignIn(Request[Done], kind="end_upstream_sign_in", sockets=("actual",), repeatable=False):
    """Sign out at a server: revoke the tokens where that is possible, and delete them."""

    server: str = ""
    """The server's key; empty for all servers."""
    principal: str = ""
    """Id of the principal whose sign-in ends."""
    admin: bool = False
    """Whether it may end a sign-in of all clients (`shared`)."""
