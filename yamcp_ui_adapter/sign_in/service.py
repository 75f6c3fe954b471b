"""Connects the parts of sign-in, on the journal of a protected hub."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Self

from bridge.credentials import JOURNAL_FILE
from bridge.keys import Keyring
from bridge.server import Handlers
from bridge.settings import Settings
from yamcp_ui_adapter.sign_in.authorization import Authorization
from yamcp_ui_adapter.sign_in.ledger import Ledger
from yamcp_ui_adapter.sign_in.overview import Overview
from yamcp_ui_adapter.sign_in.principals import Principals
from yamcp_ui_adapter.sign_in.reports import OnChange, Reports
from yamcp_ui_adapter.sign_in.state import Lifetimes
from yamcp_ui_adapter.sign_in.upkeep import Upkeep


class SignIn:
    """The handlers of all requests about sign-in, and what has to run beside them. Call `close` at the end."""

    def __init__(self, ledger: Ledger, authorization: Authorization, overview: Overview, upkeep: Upkeep) -> None:
        self.upkeep = upkeep
        self._ledger = ledger
        self._handlers = {**authorization.handlers(), **overview.handlers()}

    @classmethod
    def of(
        cls,
        settings: Settings,
        workspaces: Callable[[], Collection[str]],
        on_change: OnChange,
        fetch_uses: Callable[[], Awaitable[None]],
        now: Callable[[], float] = time.time,
    ) -> Self:
        """Open the journal. Raises DataDirUnusable: it cannot be read."""
        ledger = Ledger(settings.data_dir.absolute() / JOURNAL_FILE, settings.oauth_clients, now)
        principals = Principals(Keyring(settings), ledger)
        reports = Reports(principals, on_change)
        lifetimes = Lifetimes(settings.oauth_access_lifetime, settings.oauth_refresh_lifetime)
        return cls(
            ledger,
            Authorization(ledger, principals, reports, lifetimes, workspaces),
            Overview(ledger, principals, reports, fetch_uses),
            Upkeep(ledger, principals, reports, workspaces),
        )

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return self._handlers

    def close(self) -> None:
        """Close the journal."""
        self._ledger.close()
