"""Ends what a credential has opened when it ends: sessions, calls on the direct way, and suspended calls.

`Gate` ends the requests in progress, and with them streams. A credential ends in one of two ways: its grant, key or
user was ended, and then everything of it ends; or it has lapsed, because its client has not refreshed it in time. Then
nothing that is in progress goes on, but its sessions over Streamable HTTP wait for a new token of the same grant.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.keys import Principal
from sidecar.hub.hub import Hub
from sidecar.sessions.session import Session

Current = Callable[[Principal], Principal | None]
IsValid = Callable[[Principal], bool]


class Endings:
    """Called by `Gate`. `current` is `Authenticator.current`. `end_direct_calls` cancels the direct calls without a
    session whose principal is not valid."""

    def __init__(self, hub: Hub, current: Current, end_direct_calls: Callable[[IsValid], None]) -> None:
        self._hub = hub
        self._current = current
        self._end_direct_calls = end_direct_calls
        hub.current = current

    def changed(self) -> None:
        """Credentials were ended, or their principals changed."""
        self._hub.keys_changed(self._current)
        for workspace in self._hub.every():
            for session in workspace.sessions:
                session.server_tasks.forget_ended(self._current)
        self._end(self._hub.is_valid, lambda _: True)

    def looked(self) -> None:
        """Time has passed: end what has lapsed."""
        self._end(lambda principal: not principal.expired or self._hub.is_valid(principal), _expired)

    def _end(self, is_valid: IsValid, concerns: IsValid) -> None:
        self._end_direct_calls(is_valid)
        for workspace in self._hub.every():
            workspace.suspended_calls.drop_invalid(is_valid)
            for session in tuple(workspace.clients()):
                if concerns(session.principal):
                    self._check(session)

    def _check(self, session: Session) -> None:
        now = self._current(session.principal)
        if now is not None:
            session.principal = now
        if now is not None and not now.expired:
            return
        session.cancel_requests()
        if now is None and session.principal.grant:  # sessions of a key end with the key's workspace
            session.close()


def _expired(principal: Principal) -> bool:
    return principal.expired
