"""Keeps the journal of this hub equal to that of all hubs, and lets requests decide on the newest state of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bridge.credentials.records import (
    AnyRecord,
    ClientEnd,
    GrantEnd,
    GrantRecord,
    GrantUsed,
    LoginEnd,
    UserEnd,
    line_of,
    record_of,
)
from bridge.credentials.records import Head as FirstLine
from bridge.deadlines import set_within
from bridge.errors import HubError
from bridge.keys import token_hash
from bridge.models import (
    BeginLogin,
    CodeIssued,
    EndGrant,
    EndLogins,
    EndUser,
    FindClient,
    IssueCode,
    ListGrants,
    ListUsers,
    Model,
    RedeemCode,
    RefreshGrant,
    Request,
    RevokeToken,
)
from bridge.private import write_file
from bridge.server import Handlers
from yamcp_ui_adapter.cluster.errors import ConfigDatabaseUnavailable
from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.sign_in.codes import Codes, IssuedCode
from yamcp_ui_adapter.sign_in.ledger import Ledger
from yamcp_ui_adapter.sign_in.shared.database import Head, JournalDatabase, Turn

log = logging.getLogger(__name__)

UNSENT_FILE = "credentials.unsent.json"
"""In HUB_DATA_DIR: what has ended while the database was away. The file is there as soon as the journal is shared."""
POLL_SECONDS = 10.0
"""Seconds between looks into the database, in case a notice was missed."""
FIRST_RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0
SPREAD_SECONDS = 0.1
"""Wait before a new token or login is answered, so that the other hubs know it when its client comes to them."""
COMPACT_RECORDS = 1000
"""The table is compacted once it has this number of records more than twice those after the last time."""
READS = (FindClient, ListGrants, ListUsers)
"""Requests that change nothing: without the database, this hub's copy answers them."""
ENDS = (RevokeToken, EndGrant, EndLogins, EndUser)
"""Requests that end something: without the database they count at this hub at once, elsewhere later."""
SPREADS = (RedeemCode, RefreshGrant, BeginLogin)

Handler = Callable[[Request[Any]], Awaitable[Model]]


class SharedJournal:
    """The journal of all hubs, seen from this one.

    Every request that changes something has a turn: it begins with the newest records, and its own are in the database
    when it is answered.
    """

    def __init__(self, database: JournalDatabase, ledger: Ledger, codes: Codes, unsent: Path) -> None:
        self._database, self._ledger, self._codes, self._path = database, ledger, codes, unsent
        self._using = asyncio.Lock()
        self._head: Head | None = None
        """What this hub's journal is equal to; None if it has to be compared in full."""
        self._loads = ledger.loads
        self._joined = ""
        """The identity of the database that this hub's own journal has become a part of."""
        self._file_due = False
        """Whether the file has something."""
        self._sending: list[AnyRecord] = []
        self._unsent: list[AnyRecord] = self._load_unsent()
        self.available = False
        ledger.on_commit = self._committed

    def is_available(self) -> bool:
        """Whether the database answered the last time."""
        return self.available

    # --- Requests -----------------------------------------------------------------------------------------------------

    def handlers(self, handlers: Handlers) -> Handlers:
        """The same handlers, on the journal of all hubs."""

        async def handle(body: Request[Any]) -> Model:
            return await self.handle(body, handlers[type(body)])

        return dict.fromkeys(handlers, handle)

    async def handle(self, body: Request[Any], handler: Handler) -> Model:
        """Answer a request. Raises ConfigDatabaseUnavailable, and as the handler."""
        if isinstance(body, READS):
            if self.available:
                await self.catch_up()
            return await handler(body)
        async with self._using:
            outcome = await self._decide(body, handler)
        if isinstance(outcome, HubError):
            raise outcome
        if isinstance(body, SPREADS):
            await asyncio.sleep(SPREAD_SECONDS)
        return outcome

    async def _decide(self, body: Request[Any], handler: Handler) -> Model | HubError:
        outcome: Model | HubError | None = None
        try:
            async with self._database.turn() as turn:
                await self._take(turn)
                outcome = await self._attempt(body, handler, turn)
                head = await self._give(turn)
            self._sent(head)
        except ConfigDatabaseUnavailable as error:
            self._lost(error)
            if not isinstance(body, ENDS):
                raise
            outcome = outcome or await self._attempt(body, handler)
            self._save()
        except BaseException:
            self._forget_made()
            raise
        return outcome

    async def _attempt(self, body: Request[Any], handler: Handler, turn: Turn | None = None) -> Model | HubError:
        """Let the handler decide. A refusal can have ended a grant, so that it is no reason to roll back."""
        if turn and isinstance(body, RedeemCode):
            await self._take_code(turn, token_hash(body.code))
        outcome: Model | HubError
        try:
            outcome = await handler(body)
        except HubError as error:
            outcome = error
        if turn and isinstance(body, RedeemCode):
            await self._give_code(turn, token_hash(body.code))
        if turn and isinstance(outcome, CodeIssued):
            await self._give_code(turn, token_hash(outcome.code))
        return outcome

    async def _take_code(self, turn: Turn, hashed: str) -> None:
        found = await turn.code(hashed)
        if found:
            content, age = json.loads(found[0]), found[1]
            asked = IssueCode.model_validate_json(content.pop("asked"))
            self._codes.put(hashed, IssuedCode(asked, issued=self._ledger.now() - age, **content))

    async def _give_code(self, turn: Turn, hashed: str) -> None:
        if code := self._codes.get(hashed):
            content = {"mark": code.mark, "used": code.used, "grant": code.grant}
            await turn.put_code(hashed, json.dumps({"asked": code.asked.model_dump_json(), **content}))

    # --- Following ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the other hubs until cancelled."""
        retry = FIRST_RETRY_SECONDS
        try:
            while True:
                await self.catch_up()
                retry = FIRST_RETRY_SECONDS if self.available else min(2 * retry, MAX_RETRY_SECONDS)
                await self._wait(POLL_SECONDS if self.available else retry)
        finally:
            await self._database.close()

    async def _wait(self, seconds: float) -> None:
        if await set_within(self._database.noticed, seconds) and not self.available:
            await asyncio.sleep(FIRST_RETRY_SECONDS)  # the notice was the end of the connection

    async def catch_up(self) -> None:
        """Take what others have written, and give what is not in the database yet. Errors are logged, not raised."""
        async with self._using:
            self._database.noticed.clear()
            try:
                giving = bool(self._unsent) or self._head is None
                async with self._database.turn(read_only=not giving) as turn:
                    await self._take(turn)
                    head = await self._give(turn) if giving else self._head
                self._sent(head)
            except ConfigDatabaseUnavailable as error:
                self._lost(error)
            except DataDirUnusable as error:
                self._forget_made()
                log.error("the shared journal cannot be followed", extra={"code": error.code, "why": error.message})  # noqa: TRY400
            except BaseException:
                self._forget_made()
                raise

    async def _take(self, turn: Turn) -> None:
        """Bring this hub's journal to the newest records."""
        self._ledger.follow()
        head, had = await turn.head(), self._head
        whole = (
            had is None
            or turn.fresh
            or had.generation != head.generation
            or head.last < had.last
            or self._loads != self._ledger.loads
        )
        records = _records(await turn.lines(0 if whole or had is None else had.last))
        if whole:
            self._replace(records, joined=self._joined == head.identity)
        elif records:
            self._ledger.take(records)
        self._head = head

    def _replace(self, records: list[AnyRecord], *, joined: bool) -> None:
        """Make this hub's journal equal to all records and those that are not in the database yet."""
        own = [] if joined else list(self._ledger.state.records(self._ledger.now()))
        beside = [each for each in self._unsent if each not in own]
        self._ledger.replace([*records, *own, *filter(_ends, beside)])
        if again := [each for each in beside if isinstance(each, GrantRecord | GrantUsed) and self._counts(each)]:
            self._ledger.take(again)
        self._unsent, self._loads = [*own, *beside], self._ledger.loads

    async def _give(self, turn: Turn) -> Head | None:
        """Write what is not in the database yet."""
        self._sending, self._unsent = self._unsent, []
        lines = [line_of(record).rstrip() for record in self._sending if self._counts(record)]
        head = self._head
        if head is None or not lines:
            return head
        head = head._replace(last=await turn.append(lines))
        if head.last - head.first > 2 * head.size + COMPACT_RECORDS:
            head = await turn.compact(
                [line_of(each).rstrip() for each in self._ledger.state.records(self._ledger.now())]
            )
        return head

    def _counts(self, record: AnyRecord) -> bool:
        """Whether a record that was written beside a turn still counts after those of the other hubs."""
        state = self._ledger.state
        match record:
            case GrantRecord() | GrantUsed():
                return record.id in state.credentials.grants
            case ClientEnd():
                return state.clients.find(record.id, 0.0) is None
        return True

    # --- What is not in the database yet ------------------------------------------------------------------------------

    def _committed(self, records: Sequence[AnyRecord]) -> None:
        """The ledger has written records of this hub."""
        self._unsent.extend(records)
        self._database.noticed.set()

    def _sent(self, head: Head | None) -> None:
        self._head, self._sending = head, []
        if not self.available:
            log.info("OAuth grants and logins are shared", extra={"database": self._database.target})
        self.available = True
        if head and (self._file_due or self._joined != head.identity):
            self._joined = head.identity
            self._save()

    def _lost(self, error: HubError) -> None:
        """The database is away. What was made in the turn was refused; what has ended remains so."""
        self._forget_made()
        if self.available:
            log.warning("the shared journal is away: this hub's copy counts", extra={"why": error.message})
        self.available = False

    def _forget_made(self) -> None:
        """What a turn has made is in this hub's file only, and nobody was told: the next look takes it back."""
        self._unsent, self._sending, self._head = [*self._sending, *self._unsent], [], None
        if self._joined:
            self._unsent = [each for each in self._unsent if _ends(each) or isinstance(each, GrantRecord | GrantUsed)]

    def _load_unsent(self) -> list[AnyRecord]:
        try:
            content = json.loads(self._path.read_bytes())
            found = _records(str(line).encode() for line in content["ended"])
            self._joined, self._file_due = str(content["database"]), bool(found)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataDirUnusable(f"{self._path} cannot be read: {type(error).__name__}.") from None
        return found

    def _save(self) -> None:
        """Raises DataDirUnusable."""
        ended = [line_of(each).decode().rstrip() for each in self._unsent if _ends(each)]
        if not self._joined:
            return  # this hub's whole journal will be given
        self._file_due = bool(ended)
        try:
            write_file(self._path, json.dumps({"database": self._joined, "ended": ended}).encode())
        except OSError as error:
            raise DataDirUnusable(f"{self._path} cannot be written: {error.strerror}.") from None


def _ends(record: AnyRecord) -> bool:
    return isinstance(record, GrantEnd | UserEnd | LoginEnd)


def _records(lines: Iterable[bytes]) -> list[AnyRecord]:
    """The records of lines, without those that this version does not know, and first lines of files."""
    found: list[AnyRecord] = []
    for line in lines:
        try:
            record = record_of(line)
        except ValueError as error:
            log.error("a record of the shared journal cannot be used", extra={"why": str(error)})  # noqa: TRY400
            continue
        if record is not None and not isinstance(record, FirstLine):
            found.append(record)
    return found
