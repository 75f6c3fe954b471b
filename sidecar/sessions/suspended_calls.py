"""Calls of modern clients to legacy servers that send requests to the client in the middle of a call (ADR 14).

A legacy server sends a request and waits. A modern client gets an `input_required` result, and sends its request again
with the answers (MCP 2026-07-28, Multi Round-Trip Requests). In between the hub keeps the call to the server: it is
*suspended*. A request that a server sends to its client is called a *question* here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.keys import Principal
from sidecar.admission.context import ANONYMOUS
from sidecar.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, HubStopping
from sidecar.features import input_requests
from sidecar.input_errors import RequestStateExpired, RequestStateInvalid, RequestStateUsed, TooManySuspendedCalls
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame, Notify
from sidecar.sessions.session import LEVELS, Session

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream

log = logging.getLogger(__name__)

MAX_SUSPENDED_CALLS = 100
"""Limit for the suspended calls of one workspace, or of one key's version of it."""
MAX_HELD_QUESTIONS = 16
"""Limit for the questions of one server that came outside of a call and wait for the next one."""

GATHER_SECONDS = 0.01
"""Seconds to wait for further questions, so that those which a server sends at once become one result."""

Outcome = Frame | Exception
current_call: ContextVar[InteractiveCall | None] = ContextVar("calling", default=None)
"""The call that the current task works for; None if that is not known.

Tasks inherit the variable from the task that starts them. So it is also set where a frame is handled that came on the
response stream of the call (Streamable HTTP upstreams).
"""


@dataclass(eq=False, slots=True)
class Question:
    """A request that a server sent to its client, until it is answered."""

    method: str
    params: dict[str, Any]
    named: bool = False
    """Whether the stream on which it came tells which call it belongs to."""
    answer: asyncio.Future[Frame] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def resolve(self, frame: Frame) -> None:
        """Answer it with a response frame, if it is not answered yet."""
        if not self.answer.done():
            self.answer.set_result(frame)

    def refuse(self, why: str) -> None:
        """Answer it with an error; `why` is part of the message."""
        self.resolve(jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{self.method}: {why}"}))


class InteractiveCall:
    """One call of a client, which takes several requests of the client if its server asks questions.

    `level` is the minimum level of log messages that the client wants (`_meta` of its request).
    """

    def __init__(self, session: Session, level: str | None, principal: Principal = ANONYMOUS) -> None:
        self.session = session
        """The client that called; only it can resume the call."""
        self.principal = principal
        """Who called; the call ends with its credential."""
        self.level = level
        self.upstream: Upstream | None = None
        """The upstream that serves the call."""
        self.outcome: Outcome | None = None
        self.questions: dict[str, Question] = {}
        self._count = 0
        self._with_client: frozenset[str] = frozenset()
        """Keys of the questions that the client is answering, while the call is suspended."""
        self._pass_on: Callable[[Question], None] = self._refuse
        self._notify: Notify | None = None
        self._token: Any = None
        self._task: asyncio.Task[None] | None = None
        self.refusal_reason = "the call that it belonged to has ended"
        """The error text for questions that are still open when the call ends."""
        self._news = asyncio.Event()

    # --- the server's side ---------------------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, Frame], spawn: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
        """Run `work`, which calls the server, in a task that `spawn` makes and owns."""
        self._task = spawn(self._run(work))
        if self._task is None:
            work.close()
            self.end(HubStopping("The workspace is being closed."))

    async def _run(self, work: Coroutine[Any, Any, Frame]) -> None:
        current_call.set(self)
        try:
            self.end(await work)
        except asyncio.CancelledError:
            self.end(RequestStateExpired("The call was cancelled."))
            raise
        except Exception as error:  # raised by `result` to the client's request, now or later
            self.end(error)
        finally:
            work.close()  # if the task was cancelled before its first step, the coroutine was never awaited

    def end(self, outcome: Outcome) -> None:
        """Set the outcome of the call; only the first one counts."""
        self.outcome = self.outcome or outcome
        self._pass_on_unanswered()
        self._news.set()

    def cancel(self, why: str) -> None:
        """Cancel the call: the server gets `notifications/cancelled`, and errors for its open questions."""
        self.refusal_reason = why
        self.resume()
        if self._task is not None:
            self._task.cancel()

    def open_questions(self) -> dict[str, Question]:
        """The questions that are not answered yet, by key."""
        return {key: question for key, question in self.questions.items() if not question.answer.done()}

    def add_question(self, question: Question) -> None:
        """Add a question for the client."""
        self._count += 1
        key = f"hub-{self._count}"
        self.questions[key] = question
        question.answer.add_done_callback(lambda _: self.questions.pop(key, None))
        self._news.set()

    def hand_over(self, pass_on: Callable[[Question], None]) -> None:
        """The server has ended the call. Open questions go to `pass_on`, now or once the client resumes the call."""
        self._pass_on = pass_on
        self._pass_on_unanswered()

    def _pass_on_unanswered(self) -> None:
        """Pass on the open questions, except those that the client is answering: nobody is asked a question twice."""
        for key, question in self.open_questions().items():
            if key not in self._with_client:
                del self.questions[key]
                self._pass_on(question)

    def _refuse(self, question: Question) -> None:
        question.refuse(self.refusal_reason)

    def suspend(self) -> None:
        """Note that the client has got the open questions, and will send its request again."""
        self._with_client = frozenset(self.open_questions())

    def resume(self, responses: Mapping[str, Any] | None = None) -> None:
        """Answer questions with the client's `responses`; unknown keys are ignored. None: it sends none."""
        self._with_client = frozenset()
        for key, result in (responses or {}).items():
            if question := self.questions.get(key):
                question.resolve(jsonrpc.result(0, input_requests.plain_answer(result)))
        if self.outcome is not None:
            self._pass_on_unanswered()

    def on_progress(self, params: dict[str, Any]) -> None:
        """Pass the server's progress on to the client, under the token of its request in progress."""
        if self._notify and self._token is not None:
            self._notify("notifications/progress", {**params, "progressToken": self._token})

    def on_log_message(self, params: dict[str, Any]) -> None:
        """Pass a log message on to the client if it asked for that level (MCP 2026-07-28, Logging)."""
        level = str(params.get("level"))
        wanted = self.level and level in LEVELS and LEVELS.index(level) >= LEVELS.index(self.level)
        if self._notify and wanted:
            self._notify("notifications/message", params)

    # --- the client's side ---------------------------------------------------------------------------------------

    async def wait_for_outcome(self, notify: Notify, token: Any) -> bool:
        """Let one request of the client wait for the server. Returns True if the server asks, False if it has answered.

        `notify` and `token` pass on progress and log messages meanwhile. Cancelling this cancels the call.
        """
        self._notify, self._token = notify, token
        try:
            while self.outcome is None and not self.open_questions():
                self._news.clear()
                await self._news.wait()
                if self.outcome is None:
                    await asyncio.sleep(GATHER_SECONDS)
        except asyncio.CancelledError:
            self.cancel("the client cancelled the call")
            raise
        finally:
            self._notify = None
        return self.outcome is None

    def result(self) -> Frame:
        """The server's response frame. Raises the exception with which the call failed."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert self.outcome is not None  # noqa: S101  # `wait_for_outcome` returned False
        return self.outcome

    async def wait_until_answered(self) -> None:
        """Wait until no question is open."""
        while asked := self.open_questions():
            await asyncio.wait([question.answer for question in asked.values()])


class QuestionRouter:
    """Gives the questions of one upstream to its calls (implements `ClientFeatures` for modern clients).

    A question goes to the call on whose stream it came; else to the oldest call of the upstream without an open
    question; when that call ends, to the next one. The client is the same in any case, since an upstream serves one
    session, or one call at a time (client_groups.py). Outside of a call, only `roots/list` is kept for the next call,
    because it discloses nothing; other questions are refused. `answer_timeout` is in seconds.
    """

    def __init__(self, capabilities: dict[str, Any], answer_timeout: float) -> None:
        self.capabilities = capabilities
        self.calls: list[InteractiveCall] = []
        """The calls that the upstream serves now, oldest first."""
        self._answer_timeout = answer_timeout
        self._held: list[Question] = []

    @property
    def log_level(self) -> str | None:
        """The log level that the current call asks for."""
        call = current_call.get()
        return call.level if call else None

    def most_verbose_level(self) -> str | None:
        """The most verbose log level that a call asks for; None if none does."""
        return min((call.level for call in self.calls if call.level), key=LEVELS.index, default=None)

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """Give a question of the server to a call, and wait for the client's response frame."""
        question = Question(method, params, named=current_call.get() in self.calls)
        if input_requests.lacking(self.capabilities, method, params) is not None:
            why = f"{method}: the client does not offer this"
            question.resolve(jsonrpc.error(0, {"code": METHOD_NOT_FOUND, "message": why}))
        elif call := self._call_for_question():
            call.add_question(question)
        elif method == "roots/list" and len(self._held) < MAX_HELD_QUESTIONS:
            return await self._hold_for_next_call(question)
        else:
            question.refuse("no call is under way that it could belong to")
        return await question.answer

    def _call_for_question(self) -> InteractiveCall | None:
        call = current_call.get()
        if call in self.calls:
            return call
        return self._next_call()

    def _next_call(self) -> InteractiveCall | None:
        oldest = self.calls[0] if self.calls else None
        return next((call for call in self.calls if not call.open_questions()), oldest)

    async def _hold_for_next_call(self, question: Question) -> Frame:
        self._held.append(question)
        try:
            async with asyncio.timeout(self._answer_timeout):
                return await asyncio.shield(question.answer)
        except TimeoutError:
            question.refuse("no client came that could answer")
            return await question.answer
        finally:
            question.answer.cancel()  # if the server cancelled it or has left, no call may ask it any more
            if question in self._held:
                self._held.remove(question)

    def notified(self, method: str, params: dict[str, Any]) -> None:
        """Pass a log message of the server to the call that it belongs to."""
        if method == "notifications/message" and (call := self._call_for_question()):
            call.on_log_message(params)

    def add_call(self, call: InteractiveCall) -> None:
        """Add a call that begins; it gets the questions that the server asked before it."""
        self.calls.append(call)
        held, self._held = self._held, []
        for question in held:
            call.add_question(question)

    def remove_call(self, call: InteractiveCall) -> None:
        """Remove a call that has ended. Its open questions may belong to another call, so the next call gets them."""
        self.calls.remove(call)

        def pass_on(question: Question) -> None:
            heir = None if question.named else self._next_call()
            if heir is None:
                question.refuse(call.refusal_reason)
            else:
                heir.add_question(question)

        call.hand_over(pass_on)


class SuspendedCalls:
    """The suspended calls of one workspace; each is cancelled after `answer_timeout` seconds."""

    def __init__(self, answer_timeout: float) -> None:
        self._answer_timeout = answer_timeout
        self._calls: dict[str, tuple[InteractiveCall, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def suspend(self, call: InteractiveCall) -> str:
        """Suspend a call. Returns the ticket, valid once, with which its client resumes it.

        Raises:
            TooManySuspendedCalls: the limit is reached; the call is cancelled.
        """
        if len(self._calls) >= MAX_SUSPENDED_CALLS:
            call.cancel("too many calls wait for their clients")
            raise TooManySuspendedCalls(f"{MAX_SUSPENDED_CALLS} calls wait for input of their clients.")
        ticket = secrets.token_hex(16)
        timer = asyncio.get_running_loop().call_later(self._answer_timeout, self._expire, ticket)
        self._calls[ticket] = (call, timer)
        call.suspend()
        return ticket

    def take(self, ticket: str, session: Session) -> InteractiveCall:
        """Remove and return the call of a ticket.

        Raises:
            RequestStateUsed: the ticket was used before, or the call has ended.
            RequestStateInvalid: the call belongs to another session.
        """
        if ticket not in self._calls:
            raise RequestStateUsed("The call that the requestState stands for has ended, or was resumed already.")
        call, timer = self._calls[ticket]
        if call.session is not session:
            raise RequestStateInvalid("The requestState belongs to a call of another session.")
        timer.cancel()
        del self._calls[ticket]
        return call

    def _expire(self, ticket: str) -> None:
        call, _ = self._calls.pop(ticket)
        log.info("a client did not resume a suspended call in time", extra={"session": call.session.short_id})
        call.cancel(f"the client did not answer within {self._answer_timeout:g} s")

    def drop(self, session: Session | None = None) -> None:
        """Cancel the calls of a session that has ended, or all calls."""
        self._cancel(lambda call: session is None or call.session is session, "the client has left")

    def drop_invalid(self, is_valid: Callable[[Principal], bool]) -> None:
        """Cancel the calls whose caller's credential has ended."""
        self._cancel(lambda call: not is_valid(call.principal), "the credential of the client has ended")

    def _cancel(self, concerns: Callable[[InteractiveCall], bool], why: str) -> None:
        for ticket, (call, timer) in tuple(self._calls.items()):
            if concerns(call):
                timer.cancel()
                del self._calls[ticket]
                call.cancel(why)
