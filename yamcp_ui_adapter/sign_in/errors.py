"""The errors with which requests about sign-in are refused; each has a stable code."""

from __future__ import annotations

from typing import ClassVar

from bridge.errors import HubError


class OAuthError(HubError):
    """Base class of refusals that a client has to be told as OAuth says; `oauth` is the error code for it."""

    oauth: ClassVar[str]

    def __init__(self, message: str, *, oauth: str = "") -> None:
        super().__init__(message, data={"oauth_error": oauth or self.oauth})


class OAuthOff(OAuthError):
    """A request about OAuth clients or tokens, but the hub is no authorization server: HUB_OAUTH is off, or it needs
    no credentials.
    """

    code = "OAUTH_OFF"
    oauth = "access_denied"
    hint = "Set HUB_OAUTH to on; in a hub on loopback without a token, clients need no sign-in."


class NoSuchClient(OAuthError):
    """A request names an OAuth client that is not registered, or whose registration has expired."""

    code = "NO_SUCH_CLIENT"
    oauth = "invalid_client"
    hint = "Remove the hub's sign-in from the client and connect again, so that the client registers anew."


class ClientInvalid(OAuthError):
    """The name or the redirect URIs of an OAuth client are not valid, or a request has a redirect URI that its client
    has not registered; nothing was stored.
    """

    code = "CLIENT_INVALID"
    oauth = "invalid_client_metadata"
    hint = "docs/oauth.md lists which redirect URIs the hub accepts; the client's maker has to correct it."


class TooManyClients(OAuthError):
    """As many OAuth clients are registered as HUB_OAUTH_CLIENTS allows, and a user has allowed each of them something;
    the new one was not registered.
    """

    code = "TOO_MANY_CLIENTS"
    oauth = "temporarily_unavailable"
    hint = "Raise HUB_OAUTH_CLIENTS, or let users connect with a key; unused clients expire by themselves."


class PrincipalUnknown(OAuthError):
    """A sign-in is for a key, user or token that does not exist any more; nothing was stored."""

    code = "PRINCIPAL_UNKNOWN"
    oauth = "access_denied"
    hint = "Sign in to the hub again, then repeat what you did."


class WorkspaceGone(OAuthError):
    """A client asks for tokens for a workspace that does not exist, or that its user may not use."""

    code = "OAUTH_WORKSPACE"
    oauth = "invalid_target"
    hint = "Check the address of the workspace in the client; `hubctl workspaces` lists the addresses."


class GrantInvalid(OAuthError):
    """An authorization code, a refresh token, or what came with it is not valid; no token was issued."""

    code = "OAUTH_GRANT_INVALID"
    oauth = "invalid_grant"
    hint = "Clients then ask their user to sign in again; a client that does not has to be disconnected and connected."


class NoSuchGrant(HubError):
    """A request to end a grant names one that does not exist, has ended, or belongs to somebody else."""

    code = "NO_SUCH_GRANT"
    hint = "`hubctl grants` lists the grants in force."


class NoSuchUser(HubError):
    """A request to remove a user names one that has not signed in, or an e-mail address that several users have."""

    code = "NO_SUCH_USER"
    hint = "`hubctl users` lists the users with their ids."
