"""Connects the parts of sign-in, on the journal of a protected hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Self

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

if TYPE_CHECKING:
    from yamcp_ui_adapter.sign_in.shared.journal import SharedJournal


class SignIn:
    """The handlers of all requests about sign-in, and what has to run beside them. Call `close` at the end."""

    def __init__(
        self,
        ledger: Ledger,
        authorization: Authorization,
        overview: Overview,
        upkeep: Upkeep,
        shared: SharedJournal | None = None,
    ) -> None:
        self.upkeep = upkeep
        self._ledger = ledger
        self._shared = shared
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
        authorization = Authorization(ledger, principals, reports, lifetimes, workspaces)
        shared = _shared(settings, ledger, authorization)
        return cls(
            ledger,
            authorization,
            Overview(ledger, principals, reports, fetch_uses),
            Upkeep(ledger, principals, reports, workspaces, shared.is_available if shared else None),
            shared,
        )

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return self._shared.handlers(self._handlers) if self._shared else self._handlers

    async def run(self) -> None:
        """Keep up grants and users, and follow the other hubs, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.upkeep.run(), name="end grants without ground")
            if self._shared:
                tasks.create_task(self._shared.run(), name="follow the shared journal")

    def close(self) -> None:
        """Close the journal."""
        self._ledger.close()


def _shared(settings: Settings, ledger: Ledger, authorization: Authorization) -> SharedJournal | None:
    """Return the journal of all hubs; None for a hub alone. asyncpg is imported only for a database."""
    url = settings.config_database_url
    if not url:
        return None
    from yamcp_ui_adapter.sign_in.shared.database import JournalDatabase  # noqa: PLC0415
    from yamcp_ui_adapter.sign_in.shared.journal import UNSENT_FILE, SharedJournal  # noqa: PLC0415

    database = JournalDatabase(url, settings.config_schema)
    return SharedJournal(database, ledger, authorization.codes, settings.data_dir.absolute() / UNSENT_FILE)
