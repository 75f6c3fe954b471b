"""Calls of modern clients to legacy servers: what a server asks in the middle of one is kept until the client answers.

A legacy server sends a request and waits; a modern client gets an `input_required` result and asks again with the
answers (MCP 2026-07-28, Multi Round-Trip Requests). In between the call to the server goes on here: it is *parked*.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sidecar.errors import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    HubStopping,
    RequestStateExpired,
    RequestStateInvalid,
    RequestStateUsed,
    TooManyParked,
)
from sidecar.features import input_requests
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.sessions.session import LEVELS, Session

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream

log = logging.getLogger(__name__)

MOST_PARKED = 100
"""Calls of one workspace, or of one key's version of it, that wait for their clients at once."""
MOST_HELD = 16
"""Questions outside of calls that wait at one server for the next call."""

GATHER = 0.01
"""Seconds in which what a server asks at once becomes one result: its messages come one by one."""

Notify = Callable[[str, dict[str, Any]], None]
Outcome = Frame | Exception
calling: ContextVar[Call | None] = ContextVar("calling", default=None)
"""The call on whose behalf a task runs.

A task that is started within such a task inherits it: so it is set too where a frame is handled that came on the
call's own response stream (an upstream over Streamable HTTP), and where nothing of the sort is known it is not.
"""


@dataclass(eq=False, slots=True)
class Question:
    """What a server asked, until it is answered."""

    method: str
    params: dict[str, Any]
    named: bool = False
    """Whether the server said which call it belongs to, by the stream on which it came."""
    answer: asyncio.Future[Frame] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def resolve(self, frame: Frame) -> None:
        """Answer it, if it is not answered."""
        if not self.answer.done():
            self.answer.set_result(frame)

    def refuse(self, why: str) -> None:
        """Answer it with an error."""
        self.resolve(jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{self.method}: {why}"}))


class Call:
    """One call, from its first request to the server's answer, over as many requests of the client as that takes."""

    def __init__(self, session: Session, level: str | None) -> None:
        self.session = session
        """Who called, and may go on with it."""
        self.level = level
        """The least level of the log messages that it wants, if any (`_meta` of its request)."""
        self.upstream: Upstream | None = None
        """What serves it."""
        self.outcome: Outcome | None = None
        self.questions: dict[str, Question] = {}
        self._count = 0
        self._in_hand: frozenset[str] = frozenset()
        """Keys of what the client is answering now, while the call is parked."""
        self._pass_on: Callable[[Question], None] = self._refuse
        self._notify: Notify | None = None
        self._token: Any = None
        self._task: asyncio.Task[None] | None = None
        self.why = "the call that it belonged to has ended"
        """What questions are told that it leaves behind."""
        self._news = asyncio.Event()

    # --- for its server ------------------------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, Frame], spawn: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
        """Ask the server, in a task that `spawn` makes and owns."""
        self._task = spawn(self._run(work))
        if self._task is None:
            work.close()
            self.end(HubStopping("The workspace is being closed."))

    async def _run(self, work: Coroutine[Any, Any, Frame]) -> None:
        calling.set(self)
        try:
            self.end(await work)
        except asyncio.CancelledError:
            self.end(RequestStateExpired("The call was given up."))
            raise
        except Exception as error:  # told to whoever waits for the call, or comes back for it
            self.end(error)
        finally:
            work.close()  # it was never begun where the task was cancelled at once

    def end(self, outcome: Outcome) -> None:
        """The call is over; the first outcome counts."""
        self.outcome = self.outcome or outcome
        self._hand_over()
        self._news.set()

    def cancel(self, why: str) -> None:
        """Give it up: its server is told of the cancellation, and what that waits for is answered with an error."""
        self.why = why
        self.unpark()
        if self._task is not None:
            self._task.cancel()

    def open(self) -> dict[str, Question]:
        """What the client is to answer, by key."""
        return {key: question for key, question in self.questions.items() if not question.answer.done()}

    def adopt(self, question: Question) -> None:
        """Have the client answer this."""
        self._count += 1
        key = f"hub-{self._count}"
        self.questions[key] = question
        question.answer.add_done_callback(lambda _: self.questions.pop(key, None))
        self._news.set()

    def leave(self, pass_on: Callable[[Question], None]) -> None:
        """Its server is done with it: what it leaves unanswered goes to `pass_on`, now or once the client came back."""
        self._pass_on = pass_on
        self._hand_over()

    def _hand_over(self) -> None:
        """Let go of what is not answered, but for what the client has in hand: nobody is asked a thing twice."""
        for key, question in self.open().items():
            if key not in self._in_hand:
                del self.questions[key]
                self._pass_on(question)

    def _refuse(self, question: Question) -> None:
        question.refuse(self.why)

    def park(self) -> None:
        """The client has been told what is asked, and will come back."""
        self._in_hand = frozenset(self.open())

    def unpark(self, responses: Mapping[str, Any] | None = None) -> None:
        """The client came back with answers, which go to the server; unknown keys mean nothing. Or it never will."""
        self._in_hand = frozenset()
        for key, result in (responses or {}).items():
            if question := self.questions.get(key):
                question.resolve(jsonrpc.result(0, input_requests.plain_answer(result)))
        if self.outcome is not None:
            self._hand_over()

    def progressed(self, params: dict[str, Any]) -> None:
        """Pass the server's progress on, under the token of the request under way."""
        if self._notify and self._token is not None:
            self._notify("notifications/progress", {**params, "progressToken": self._token})

    def logged(self, params: dict[str, Any]) -> None:
        """Pass a log message on with the response, if the client asked for its level (MCP 2026-07-28, Logging)."""
        level = str(params.get("level"))
        wanted = self.level and level in LEVELS and LEVELS.index(level) >= LEVELS.index(self.level)
        if self._notify and wanted:
            self._notify("notifications/message", params)

    # --- for its client ------------------------------------------------------------------------------------------

    async def round(self, notify: Notify, token: Any) -> bool:
        """Wait with one request of the client until the server has answered, or asks; whether it asks.

        Cancelled, the call is.
        """
        self._notify, self._token = notify, token
        try:
            while self.outcome is None and not self.open():
                self._news.clear()
                await self._news.wait()
                if self.outcome is None:
                    await asyncio.sleep(GATHER)
        except asyncio.CancelledError:
            self.cancel("the client cancelled the call")
            raise
        finally:
            self._notify = None
        return self.outcome is None

    def result(self) -> Frame:
        """The server's response frame. Raises what asking raised."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert self.outcome is not None  # noqa: S101  # `round` said that it is over
        return self.outcome

    async def answered(self) -> None:
        """Wait until nothing is asked any more."""
        while asked := self.open():
            await asyncio.wait([question.answer for question in asked.values()])


class Desk:
    """Where the questions of one upstream of modern clients arrive (connection.ClientFeatures).

    Which call is asked: the one on whose stream the question came; else the oldest that this upstream serves now and
    that waits for no answer itself, and when that is over, the next. It is the same client in any case: an upstream
    serves one session, or one call at a time (client_groups.py); the answer goes to the question, whichever call has
    it. Outside of any call only roots/list is kept, for the next one, as it says nothing; anything else is refused.
    """

    def __init__(self, capabilities: dict[str, Any], patience: float) -> None:
        self.capabilities = capabilities
        self.calls: list[Call] = []
        """Those that the upstream serves now, oldest first."""
        self._patience = patience
        self._held: list[Question] = []

    @property
    def log_level(self) -> str | None:
        """The level that the call under way asks for."""
        call = calling.get()
        return call.level if call else None

    def least_level(self) -> str | None:
        """The most verbose level that one of its calls asks for."""
        return min((call.level for call in self.calls if call.level), key=LEVELS.index, default=None)

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Ask the client of the call that the question belongs to, and wait for the answer."""
        question = Question(method, params, named=calling.get() in self.calls)
        if input_requests.lacking(self.capabilities, method, params) is not None:
            why = f"{method}: the client does not offer this"
            question.resolve(jsonrpc.error(0, {"code": METHOD_NOT_FOUND, "message": why}))
        elif call := self._whose():
            call.adopt(question)
        elif method == "roots/list" and len(self._held) < MOST_HELD:
            return await self._hold(question)
        else:
            question.refuse("no call is under way that it could belong to")
        return await question.answer

    def _whose(self) -> Call | None:
        call = calling.get()
        if call in self.calls:
            return call
        return self._next_in_line()

    def _next_in_line(self) -> Call | None:
        oldest = self.calls[0] if self.calls else None
        return next((call for call in self.calls if not call.open()), oldest)

    async def _hold(self, question: Question) -> Frame:
        self._held.append(question)
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(question.answer)
        except TimeoutError:
            question.refuse("no client came that could answer")
            return await question.answer
        finally:
            question.answer.cancel()  # the server took it back, or has left: no call is to ask it any more
            if question in self._held:
                self._held.remove(question)

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """The server sent a notification: log messages go to the call that they belong to."""
        if method == "notifications/message" and (call := self._whose()):
            call.logged(params)

    def begin(self, call: Call) -> None:
        """A call begins: what the server asked before it is asked first, as it would have been on connecting."""
        self.calls.append(call)
        held, self._held = self._held, []
        for question in held:
            call.adopt(question)

    def left(self, call: Call) -> None:
        """A call is over. What it leaves unanswered may be another's: then the next in line is asked."""
        self.calls.remove(call)

        def pass_on(question: Question) -> None:
            heir = None if question.named else self._next_in_line()
            if heir is None:
                question.refuse(call.why)
            else:
                heir.adopt(question)

        call.leave(pass_on)


class Parked:
    """The calls of one workspace that wait for their clients; each is given up after `patience` seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._calls: dict[str, tuple[Call, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def park(self, call: Call) -> str:
        """Keep a call until its client comes back with what is returned, which is good for once.

        Raises:
            TooManyParked: as many wait as may; the call is given up.
        """
        if len(self._calls) >= MOST_PARKED:
            call.cancel("too many calls wait for their clients")
            raise TooManyParked(f"{MOST_PARKED} calls wait for input of their clients.")
        ticket = secrets.token_hex(16)
        timer = asyncio.get_running_loop().call_later(self._patience, self._expire, ticket)
        self._calls[ticket] = (call, timer)
        call.park()
        return ticket

    def take(self, ticket: str, session: Session) -> Call:
        """The call that a client comes back for.

        Raises:
            RequestStateUsed: it was taken before, or is over.
            RequestStateInvalid: it is another session's.
        """
        if ticket not in self._calls:
            raise RequestStateUsed("The call that the requestState stands for has ended, or was gone on with already.")
        call, timer = self._calls[ticket]
        if call.session is not session:
            raise RequestStateInvalid("The requestState belongs to a call of another session.")
        timer.cancel()
        del self._calls[ticket]
        return call

    def _expire(self, ticket: str) -> None:
        call, _ = self._calls.pop(ticket)
        log.info("a client did not come back to a call that waits for it", extra={"session": call.session.id[:8]})
        call.cancel(f"the client did not answer within {self._patience:g} s")

    def drop(self, session: Session | None = None) -> None:
        """Give up the calls of a session that has ended, or all of them."""
        for ticket, (call, timer) in tuple(self._calls.items()):
            if session is None or call.session is session:
                timer.cancel()
                del self._calls[ticket]
                call.cancel("the client has left")
