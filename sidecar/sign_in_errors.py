"""The errors of signing in at remote servers with OAuth (docs/upstream-sign-in.md)."""

from __future__ import annotations

from sidecar.errors import SidecarError


class SignInRequired(SidecarError):
    """A remote server can only be used after the user, or an administrator, has signed in at it."""

    narrow = False
    """Whether only this request needs it: the server goes on serving others."""
    code = "SIGN_IN_REQUIRED"
    hint = "Open the link in `data.url` in a browser and sign in there, then repeat the call."


class SignInFailed(SidecarError):
    """A sign-in at a remote server failed: its authorization server cannot be used, or refused."""

    code = "SIGN_IN_FAILED"
    hint = (
        "The message says what is wrong; docs/upstream-sign-in.md says what the hub needs of an authorization server."
    )


class SignInUnavailable(SidecarError):
    """The authorization server of a remote server cannot be reached, or fails."""

    code = "SIGN_IN_UNAVAILABLE"
    hint = "Try again in a few seconds; check the network and the authorization server if it persists."


class SignInStateInvalid(SidecarError):
    """The browser returned from an authorization server with a sign-in that the hub has not begun, that is over, or
    that was begun by another user or in another browser."""

    code = "SIGN_IN_STATE_INVALID"
    status = 403
    hint = "Begin again, from the page of the server or from the link, in the browser in which you finish."


class SignInForbidden(SidecarError):
    """The user may not sign in at the server: the link was made for another user, or only administrators may."""

    code = "SIGN_IN_FORBIDDEN"
    status = 403
    hint = "Log in at the hub as the user for whom the link was made, or ask an administrator to sign in."


class SignInNotSet(SidecarError):
    """A sign-in was requested at a server that has no `sign_in`, or that does not exist."""

    code = "SIGN_IN_NOT_SET"
    status = 404
    hint = "Set `sign_in` of the remote server to `user` or `shared`: in the console, or in hub.json."
