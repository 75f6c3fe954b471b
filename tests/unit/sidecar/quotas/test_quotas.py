"""Each request is counted once and each call in progress given back, however it ends and whatever changes meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.keys import Principal
from bridge.models.access_file import AccessLimit
from sidecar.admission.admission import CANCELLED, Admission
from sidecar.admission.context import LOCAL, RequestContext, Visitor
from sidecar.concurrency.semaphore import Semaphore
from sidecar.errors import SidecarError
from sidecar.quotas import ledger as module
from sidecar.quotas.errors import BytesLimit, DailyLimit, LimitReached, RateLimited, TooManyCalls, TooManyOwnSessions
from sidecar.quotas.quotas import Quotas
from sidecar.quotas.state import state_of
from sidecar.upstream.server_gate import ServerGate
from tests.support.admission import Door
from tests.support.properties import examples

NOON = 1_800_000_000.0 - 1_800_000_000 % 86400 + 43200


def key(name: str = "ci") -> Principal:
    """A named key."""
    return Principal(f"k-{name}", name, subjects=frozenset({f"key:{name}"}))


def limit(subject: str = "*", **more: Any) -> AccessLimit:
    """An entry of access.json."""
    return AccessLimit(subject=subject, **more)


class Place:
    """The gates of a hub, with a clock of its own."""

    def __init__(self, *limits: AccessLimit) -> None:
        self.now = 1000.0
        self.admission, self.server_gates = Admission(), Admission()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.sessions: list[Any] = []
        self.quotas = Quotas(
            self.admission,
            self.server_gates,
            lambda: [self],
            lambda *kinds: self.refused.update([kinds]),
            clock=lambda: self.now,
            wall=lambda: NOON + self.now - 1000,
        )
        self.gate = ServerGate(Semaphore(100), "search", self.server_gates)
        self.quotas.apply(limits)

    def clients(self) -> list[Any]:
        """The sessions."""
        return self.sessions

    def call(self, who: Principal, method: str = "tools/call", tool: str = "find") -> RequestContext:
        """A request to the server `search`."""
        made = RequestContext(Visitor(who, "http"), method, {}, "w", 1, time.perf_counter())
        made.server, made.tool = "search", tool
        return made

    def outcome(self, who: Principal, method: str = "tools/call", tool: str = "find") -> str:
        """Whether a request is let in, as code of the error; it ends at once."""
        call = self.call(who, method, tool)
        try:
            run(self.admission.enter(call))
        except LimitReached as error:
            return error.code
        try:
            if not self.gate.try_enter(call):
                run(self.gate.enter(call))
        except LimitReached as error:
            self.admission.failed(call, error)
            return error.code
        self.gate.leave(call, "ok")
        self.admission.ended(call, "ok")
        return "ok"


def run(work: Any) -> None:
    """Run a coroutine that does not wait."""
    with pytest.raises(StopIteration):
        work.send(None)


def test_without_limits_there_is_no_gate() -> None:
    """And there is none again when the last limit is gone."""
    place = Place()
    assert place.admission.gates == place.server_gates.gates == ()
    place.quotas.apply((limit(concurrent=1),))
    assert (len(place.admission.gates), len(place.server_gates.gates)) == (1, 0)
    place.quotas.apply((limit(tools=("a",), concurrent=1),))
    assert (len(place.admission.gates), len(place.server_gates.gates)) == (1, 1)
    place.quotas.apply(())
    assert place.admission.gates == place.server_gates.gates == ()


def test_a_rate_with_a_burst() -> None:
    """Requests of all kinds count; each principal by itself; the hub's own never."""
    place = Place(limit(requests_per_second=2, burst=3))
    assert [place.outcome(key(), method) for method in ("ping", "tools/list", "tools/call", "ping")] == [
        *["ok"] * 3,
        "RATE_LIMITED",
    ]
    assert place.outcome(key("other")) == "ok"
    for own in (LOCAL, Principal("admin", "admin", admin=True), Principal("front", "front", admin=True)):
        assert [place.outcome(own) for _ in range(9)] == ["ok"] * 9
    place.now += 0.5
    assert [place.outcome(key()) for _ in range(2)] == ["ok", "RATE_LIMITED"]
    assert place.refused == {("rate", "key"): 2}


def test_grants_and_logins_of_a_user_count_together() -> None:
    """They are different principals with the same id."""
    place = Place(limit("group:dev", calls_per_day=2))
    ada = [Principal("u1", "Ada", grant=grant, subjects=frozenset({"group:dev"})) for grant in ("g1", "g2", "")]
    assert [place.outcome(each) for each in ada] == ["ok", "ok", "DAILY_LIMIT"]


async def test_what_errors_say() -> None:
    """The time after which it is worth trying again, in the error and for the header Retry-After."""
    place = Place(
        limit("key:a", requests_per_second=0.1),
        limit("key:b", concurrent=1),
        limit("key:c", calls_per_day=1),
        limit("key:d", bytes_per_day=10),
        limit("key:e", servers=("search",), calls_per_day=1),
    )
    found = {}
    for name in "abcde":
        call = place.call(key(name))
        await place.admission.enter(call)
        assert place.gate.try_enter(call)
        if meter := place.quotas.meter_of(key(name)):
            meter(10)
        again = place.call(key(name))
        with pytest.raises(LimitReached) as raised:
            await place.admission.enter(again)
            await place.gate.enter(again)
        error = raised.value
        assert error.retryable and error.rpc()["data"]["retry_after"] == error.retry_after
        assert (error.rpc()["code"], error.status) == (-32011, 429)
        found[name] = (type(error), error.retry_after)
    midnight = 43200
    assert found == {
        "a": (RateLimited, 10),
        "b": (TooManyCalls, 1),
        "c": (DailyLimit, midnight),
        "d": (BytesLimit, midnight),
        "e": (DailyLimit, midnight),
    }
    assert error.data["server"] == "search" and error.data["tool"] == "find"


def test_a_new_day() -> None:
    """At midnight UTC the counts begin anew."""
    place = Place(limit(calls_per_day=1, bytes_per_day=5))
    assert [place.outcome(key()), place.outcome(key())] == ["ok", "DAILY_LIMIT"]
    place.now += 43199
    assert place.outcome(key()) == "DAILY_LIMIT"
    place.now += 2
    meter = place.quotas.meter_of(key())
    assert meter is not None
    meter(5)
    assert place.outcome(key()) == "BYTES_LIMIT"
    place.now += 86400
    assert place.outcome(key()) == "ok"


def test_only_calls_are_limited_at_once_and_per_day() -> None:
    """Lists and pings are not calls."""
    place = Place(limit(concurrent=1, calls_per_day=1))
    held = place.call(key())
    assert place.admission.try_enter(held)
    assert [place.outcome(key(), method) for method in ("tools/list", "ping", "tasks/get")] == ["ok"] * 3
    for method in ("tools/call", "prompts/get", "resources/read", "completion/complete"):
        assert place.outcome(key(), method) == "TOO_MANY_CALLS"
    place.admission.ended(held, CANCELLED)
    assert place.outcome(key()) == "DAILY_LIMIT"


def test_a_tool_of_its_own() -> None:
    """Its calls are limited, those of other tools are not; a refused one is in progress nowhere."""
    place = Place(limit(concurrent=5), limit(servers=("search",), tools=("find",), requests_per_second=1, burst=2))
    assert [place.outcome(key()) for _ in range(3)] == ["ok", "ok", "RATE_LIMITED"]
    assert place.outcome(key(), tool="other") == place.outcome(key(), "prompts/get", "") == "ok"
    assert all(
        use.used == 0 for each in state_of(place.quotas, 9).principals for use in each.uses if use.kind != "rate"
    )


def test_a_call_that_is_sent_again_counts_once() -> None:
    """It enters its server's gate for each round of input, and again after its connection was lost; a slot that it did
    not get then takes nothing back."""
    place = Place(limit(servers=("search",), calls_per_day=3, concurrent=1))
    call = place.call(key())
    assert place.admission.try_enter(call)
    for outcome in ("ok", "SERVER_CONNECTION_LOST", "ok"):
        assert place.gate.try_enter(call)
        place.gate.leave(call, outcome)
    place.server_gates.left(call, "declined")
    place.admission.ended(call, "ok")
    assert [place.outcome(key()) for _ in range(3)] == ["ok", "ok", "DAILY_LIMIT"]
    assert not place.quotas.tools.held and not place.quotas._held


async def test_what_another_gate_declines_was_not_counted() -> None:
    """On the direct way, a later gate that is shut; on the waiting way, one that refuses."""
    place = Place(limit(requests_per_second=1, burst=1, calls_per_day=2), limit(tools=("*",), calls_per_day=2))
    door = Door()
    place.admission.add_gate(door)
    door.shut = True
    for _ in range(5):
        call = place.call(key())
        assert place.gate.try_enter(call)
        assert not place.admission.try_enter(call)
        place.gate.leave(call, "declined")
        with pytest.raises(SidecarError, match="shut"):
            await place.admission.enter(place.call(key()))
    door.shut = False
    assert place.outcome(key()) == "ok"


def test_limits_that_change_meanwhile() -> None:
    """What was counted remains; a call that is in progress is given back; a removed limit forgets all."""
    place = Place(limit(concurrent=2, calls_per_day=10), limit(tools=("find",), concurrent=2))
    calls = [place.call(key()) for _ in range(2)]
    for call in calls:
        assert place.gate.try_enter(call) and place.admission.try_enter(call)
    place.quotas.apply((limit(concurrent=1, calls_per_day=3), limit(tools=("find",), concurrent=1)))
    assert place.outcome(key()) == "TOO_MANY_CALLS"
    for call in calls:
        place.gate.leave(call, "ok")
        place.admission.ended(call, "ok")
    assert [place.outcome(key()) for _ in range(2)] == ["ok", "DAILY_LIMIT"]
    place.quotas.apply(())
    place.quotas.apply((limit(concurrent=1, calls_per_day=3),))
    place.admission.ended(calls[0], "ok")
    assert place.outcome(key()) == "ok"


def test_groups_that_change() -> None:
    """After a change of principals the current form of each counts, not that of its session."""
    place = Place(limit("group:dev", calls_per_day=1))
    ada = Principal("u1", "Ada", subjects=frozenset({"group:dev"}))
    assert [place.outcome(ada), place.outcome(ada)] == ["ok", "DAILY_LIMIT"]
    place.quotas.recheck(lambda principal: Principal(principal.id, principal.name))
    assert [place.outcome(ada), place.outcome(ada)] == ["ok", "ok"]


class FakeSession:
    """A session that is idle or not."""

    def __init__(self, place: Place, idle: float | None) -> None:
        self.principal, self.place = key(), place
        self.idle_since = None if idle is None else time.monotonic() - idle

    def close(self) -> None:
        """End."""
        self.place.sessions.remove(self)


def test_sessions() -> None:
    """One that is idle for a minute makes room; else there is no room, and the error says when there may be."""
    place = Place(limit(sessions=2))
    place.sessions += [FakeSession(place, None), FakeSession(place, 20)]
    with pytest.raises(TooManyOwnSessions) as raised:
        place.admission.admit_session(key())
    assert 39 <= raised.value.retry_after <= 40
    place.admission.admit_session(key("other"))
    place.sessions[1].idle_since -= 60
    place.admission.admit_session(key())
    assert len(place.sessions) == 1
    place.quotas.apply((limit(concurrent=1),))
    place.sessions += [FakeSession(place, None)] * 5
    place.admission.admit_session(key())
    assert place.refused == {("sessions", "key"): 1}


def test_the_state() -> None:
    """Limits, what is used of them, and the last refusal; the principal that was refused last comes first."""
    place = Place(
        limit(requests_per_second=1, burst=4, concurrent=2, bytes_per_day=100), limit(tools=("f*",), concurrent=1)
    )
    assert place.outcome(key("calm")) == "ok"
    held = place.call(key("busy"))
    assert place.gate.try_enter(held) and place.admission.try_enter(held)
    assert place.outcome(key("busy")) == "TOO_MANY_CALLS"
    state = state_of(place.quotas, 1)
    assert (state.store, state.total, [each.name for each in state.principals]) == ("memory", 2, ["busy"])
    (busy,) = state.principals
    assert (busy.last_code, busy.last_server, busy.last_tool, busy.refused) == (
        "TOO_MANY_CALLS",
        "search",
        "find",
        {"concurrent": 1},
    )
    uses = [(use.kind, use.tools, use.used, use.limit) for use in busy.uses]
    assert uses == [
        ("rate", None, 2.0, 1.0),
        ("concurrent", None, 1.0, 2.0),
        ("bytes_per_day", None, 0.0, 100.0),
        ("concurrent", ("f*",), 1.0, 1.0),
    ]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Principals of which nothing is counted are forgotten when there are many."""
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 5)
    place = Place(limit(requests_per_second=1))
    for number in range(50):
        assert place.outcome(key(str(number)), "ping") == "ok"
    assert len(place.quotas.accounts) <= 6


class Counting(RuleBasedStateMachine):
    """Requests come and end in any order, on both ways, while limits change."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Place(limit(concurrent=4, calls_per_day=1000), limit(tools=("find",), concurrent=2))
        self.door = Door()
        self.place.admission.add_gate(self.door)
        self.inside: list[RequestContext] = []
        self.begun = self.sent = 0

    @rule(direct=st.booleans(), shut=st.booleans())
    def enters(self, direct: bool, shut: bool) -> None:
        """A call is let in, refused by a limit, or declined by another gate."""
        call, self.door.shut = self.place.call(key()), shut
        if direct:
            if not self.place.gate.try_enter(call):
                return
            if not self.place.admission.try_enter(call):
                self.place.gate.leave(call, "declined")
                return
        else:
            try:
                run(self.place.admission.enter(call))
            except SidecarError:
                return
            try:
                if not self.place.gate.try_enter(call):
                    run(self.place.gate.enter(call))
            except SidecarError as error:
                self.place.admission.failed(call, error)
                self.begun += 1  # it had begun, before it reached its server
                return
        self.begun += 1
        self.sent += 1
        self.inside.append(call)

    @precondition(lambda self: self.inside)
    @rule(outcome=st.sampled_from(["ok", "error", "cancelled", "disconnected", "CALL_TIMEOUT"]), which=st.integers(0))
    def ends(self, outcome: str, which: int) -> None:
        """A call ends."""
        call = self.inside.pop(which % len(self.inside))
        self.place.gate.leave(call, outcome)
        self.place.admission.ended(call, outcome)

    @precondition(lambda self: self.inside)
    @rule(which=st.integers(0))
    def again(self, which: int) -> None:
        """A call is sent to its server again."""
        call = self.inside[which % len(self.inside)]
        self.place.gate.leave(call, "SERVER_CONNECTION_LOST")
        assert self.place.gate.try_enter(call)

    @rule(most=st.integers(1, 6))
    def changes(self, most: int) -> None:
        """Limits change."""
        self.place.quotas.apply(
            (limit(concurrent=most, calls_per_day=1000), limit(tools=("find",), concurrent=1 + most // 2))
        )

    @invariant()
    def counts(self) -> None:
        """As many are in progress as have begun and not ended."""
        for account in self.place.quotas.accounts:
            assert account.general.running == len(self.inside)
            assert account.general.calls == self.begun
            assert [(meter.running, meter.calls) for meter in account.scoped.values()] == [
                (len(self.inside), self.sent)
            ]
        assert len(self.place.quotas._held) == len(self.place.quotas.tools.held) == len(self.inside)


Counting.TestCase.settings = examples(40, stateful_step_count=30)
test_counting = Counting.TestCase
