"""What every store has to do: a suite that test files run against theirs by deriving from `StoreContract`.

Most tests do the same to the store in memory, which computes each answer from the records themselves, and compare.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from bridge.models import (
    Model,
    ReadCall,
    ReadCalls,
    ReadChanges,
    ReadRecordedPrincipals,
    ReadRecordedSessions,
    ReadSignIns,
    ReadUsage,
)
from recorder.batch import Batch, Loss, NewCall, NewChange, NewSession, NewSignIn, SessionEnd
from recorder.errors import NoSuchRecord
from recorder.memory import MemoryStore
from recorder.sql import queries
from recorder.store import RETAIN_STEP, Store

NOW = 1_800_000_000.0
"""The time of the tests: the clocks of stores say it."""
REPLICA = "r0"
"""The name of the replica that the stores are of."""
OUTCOMES = ("ok", "ok", "ok", "ok", "tool_error", "cancelled", "SERVER_TIMEOUT", "refused")


def call(at: float = NOW - 10, **fields: Any) -> NewCall:
    """A call as it is usual."""
    usual = {"seconds": 0.02, "workspace": "demo", "principal": "ann", "method": "tools/call", "server": "notes"}
    return NewCall(**{"at": at, "tool": "add", "transport": "http", "era": "modern"} | usual | fields)


def random_calls(seed: int, number: int, days: float = 20.0) -> list[NewCall]:
    """Calls of the last days, of few names, so that each combination occurs; some without server, workspace or key."""
    chance = random.Random(seed)
    found = []
    for index in range(number):
        server = chance.choice(["notes", "clock", ""])
        session = chance.choice(["s1", "s2", "s3", ""])
        found.append(
            call(
                NOW - days * 86400 * (1 - index / number) - chance.random() * 300,
                seconds=chance.choice([0.0004, 0.02, 0.3, 7.0, 400.0]),
                workspace=chance.choice(["demo", "work", ""]),
                session=session,
                principal=chance.choice(["ann", "bob", ""]),
                method=chance.choice(["tools/call", "tools/call", "resources/read"]),
                server=server,
                tool=chance.choice(["add", "list", "näh"]) if server else "",
                outcome=chance.choice(OUTCOMES) if server else "refused",
                correlation=f"{session}-{index % 7}" if session else "",
                arguments_size=chance.choice([None, 20]),
            )
        )
    return found


def random_questions(seed: int, number: int) -> Iterator[ReadCalls]:
    """Questions with up to three filters, a time, a limit."""
    chance = random.Random(seed)
    values = {
        "workspace": ["demo", "work", "nowhere"],
        "server": ["notes", "clock"],
        "tool": ["add", "näh"],
        "principal": ["ann", "bob"],
        "session": ["s1", "s9"],
        "outcome": ["ok", "failed", "cancelled", "refused"],
        "correlation": ["s1-3"],
        "replica": [REPLICA, "r9"],
        "since": [NOW - 15 * 86400],
        "until": [NOW - 3 * 86400],
    }
    for _ in range(number):
        names = chance.sample(sorted(values), chance.randrange(4))
        filters: dict[str, Any] = {name: chance.choice(values[name]) for name in names}
        yield ReadCalls(**filters, limit=chance.choice([9, 50, 500]))


async def paged(store: Store, request: ReadCalls, field: str = "before") -> list[Any]:
    """All pages of a question, one after the other."""
    found, more = [], True
    while more:
        answer = await store.read_calls(request)
        found += answer.calls
        more = answer.next is not None
        request = request.model_copy(update={field: answer.next})
    return found


def same(one: Model, other: Model) -> None:
    """Two answers are equal, but for the rounding of sums."""
    assert near(one.model_dump()) == near(other.model_dump())


def near(value: Any) -> Any:
    """A value with numbers rounded to nine digits."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {name: near(each) for name, each in value.items()}
    return [near(each) for each in value] if isinstance(value, list | tuple) else value


class StoreContract:
    """The suite. A derived class has a fixture `store`: an open, empty store of REPLICA whose clock says NOW."""

    @pytest.fixture
    async def known(self) -> MemoryStore:
        """The store to compare with."""
        return MemoryStore(REPLICA)

    async def both(self, store: Store, known: MemoryStore, batch: Batch) -> None:
        """Append a batch to both."""
        await store.append(batch)
        await known.append(batch)

    async def test_a_call_is_read_as_it_was_recorded(self, store: Store) -> None:
        """All fields, its details, and characters that databases refuse replaced."""
        text = "\U0001f600 ' \" \\ % _ ; -- \n"
        new = NewCall(
            *(
                NOW - 5.25,
                0.125,
                0.5,
                f"w{text}",
                "abcdef012345",
                f"p{text}",
                "10.1.2.3",
                "sse",
                "legacy",
                "tools/call",
            ),
            *("notes", f"t\0\ud800{text}", "error", "SERVER_ERROR", "abcdef-7", "0" * 32, 12, 2**40),
            *('{"a": 1}', '"\ud83d"', True),
        )
        await store.append(Batch(calls=[new, call()]))
        [first, second] = (
            (await store.read_calls(ReadCalls(session="abcdef012345"))).calls,
            await store.read_call(ReadCall(id=2)),
        )
        assert [each.id for each in first] == [1]
        expected = {**new._asdict(), "id": 1, "tool": f"t\ufffd\ufffd{text}", "replica": REPLICA}
        for name in ("arguments", "result", "cut"):
            expected.pop(name)
        assert first[0].model_dump() == expected
        details = await store.read_call(ReadCall(id=1))
        assert (details.call, details.arguments, details.result, details.cut) == (
            first[0],
            '{"a": 1}',
            '"\ufffd"',
            True,
        )
        assert (second.arguments, second.result, second.cut) == (None, None, False)
        with pytest.raises(NoSuchRecord, match="id 3"):
            await store.read_call(ReadCall(id=3))

    async def test_any_question_has_the_same_answer(
        self, store: Store, known: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Page by page, and followed from an id; though a page looks at few rows."""
        monkeypatch.setattr(queries, "SCAN", 40)
        calls = random_calls(1, 240)
        for number in range(0, 240, 80):
            await self.both(store, known, Batch(calls=calls[number : number + 80]))
        for request in random_questions(2, 30):
            expected = await paged(known, request)
            assert await paged(store, request) == expected, request
            after = request.model_copy(update={"after": 150})
            assert await paged(store, after, "after") == await paged(known, after, "after"), after

    async def test_equal_times_are_paged_without_loss(self, store: Store) -> None:
        """The id tells calls of one moment apart."""
        await store.append(Batch(calls=[call(NOW)] * 7))
        found = await paged(store, ReadCalls(limit=2))
        assert [each.id for each in found] == [7, 6, 5, 4, 3, 2, 1]

    async def test_following_goes_on_from_the_last_id(self, store: Store) -> None:
        """A long call that ends late has an early time, and is followed as well."""
        await store.append(Batch(calls=[call(NOW - 1)]))
        last = (await store.read_calls(ReadCalls())).last
        await store.append(Batch(calls=[call(NOW - 300, seconds=300)]))
        answer = await store.read_calls(ReadCalls(after=last))
        assert [each.at for each in answer.calls] == [NOW - 300]
        assert (answer.last, (await store.read_calls(ReadCalls(after=answer.last))).calls) == (2, ())

    async def test_following_goes_on_in_a_new_database(self, store: Store) -> None:
        """Ids begin anew where a damaged one was replaced: whoever follows the old one gets all records of the new."""
        change = NewChange(NOW, "ann", "console", "put_server", "s", "", "a", "b")
        await store.append(Batch(calls=[call(NOW)] * 3, changes=[change]))
        assert [each.id for each in (await store.read_calls(ReadCalls(after=4711))).calls] == [1, 2, 3]
        assert [each.id for each in (await store.read_changes(ReadChanges(after=4711))).changes] == [1]
        assert (await store.read_calls(ReadCalls(after=3))).calls == ()

    async def test_figures_are_those_of_the_calls(self, store: Store, known: MemoryStore) -> None:
        """Every range, property and filter; also calls that are older, or come late."""
        recent = [each._replace(at=NOW - (NOW - each.at) / 480) for each in random_calls(3, 200)]
        calls = [*random_calls(4, 200, 40), *recent]
        random.Random(5).shuffle(calls)
        for number in range(0, 400, 100):
            await self.both(store, known, Batch(calls=calls[number : number + 100]))
        ranges, properties = (get_args(ReadUsage.model_fields[name].annotation) for name in ("range", "by"))
        for shown in ranges:
            for by in properties:
                for workspace, server, limit in (
                    ("", "", 20),
                    ("demo", "", 2),
                    ("", "notes", 20),
                    ("work", "clock", 1),
                ):
                    request = ReadUsage(range=shown, by=by, workspace=workspace, server=server, limit=limit)
                    expected = await known.read_usage(request, NOW)
                    assert expected.points
                    same(await store.read_usage(request, NOW), expected)

    async def test_figures_of_nothing_are_empty(self, store: Store) -> None:
        """As at the first start."""
        answer = await store.read_usage(ReadUsage(range="day"), NOW)
        assert (answer.interval, answer.points, answer.all, answer.totals) == (3600, (), (), ())

    async def test_changes_and_sign_ins_have_pages(self, store: Store, known: MemoryStore) -> None:
        """With their filters."""
        changes = [
            NewChange(
                NOW + n, f"p{n % 2}", "console" if n % 3 else "file", "put_server", f"s{n % 4}", "", f"{n}", "b", "d"
            )
            for n in range(20)
        ]
        sign_ins = [NewSignIn(NOW + n, "ann", "::1", "token", "ok" if n % 2 else "TOKEN_INVALID") for n in range(9)]
        await self.both(store, known, Batch(changes=changes, sign_ins=sign_ins))
        for fields in (
            {"limit": 7}, {"before": 8}, {"principal": "p1"}, {"source": "file", "subject": "s3"}, {"after": 15},
            {"since": NOW + 5, "until": NOW + 9}, {"replica": REPLICA, "limit": 3}, {"replica": "r9"},
        ):  # fmt: skip
            request = ReadChanges(**fields)
            same(await store.read_changes(request), await known.read_changes(request))
        for more in ({"limit": 4}, {"since": NOW + 3, "before": 8}, {"replica": REPLICA}, {"replica": "r9"}):
            question = ReadSignIns(**more)
            same(await store.read_sign_ins(question), await known.read_sign_ins(question))

    async def test_sessions_count_their_calls(self, store: Store, known: MemoryStore) -> None:
        """Those that ended, those that did not, and one that was never recorded."""
        sessions = [NewSession(f"s{n}", "demo" if n else "work", "ann", "http", "c 1", NOW + n) for n in range(4)]
        await self.both(store, known, Batch(sessions=sessions, calls=[call(session="s1"), call(session="s9")]))
        await self.both(store, known, Batch(sessions=sessions[:1], calls=[call(session="s1")] * 3))
        await self.both(store, known, Batch(ended=[SessionEnd("s1", NOW + 9), SessionEnd("s9", NOW)]))
        for request in (
            ReadRecordedSessions(),
            ReadRecordedSessions(workspace="demo", limit=2),
            ReadRecordedSessions(workspace="demo", replica=REPLICA),
            ReadRecordedSessions(replica="r9"),
        ):
            same(await store.read_recorded_sessions(request), await known.read_recorded_sessions(request))
        answer = await store.read_recorded_sessions(ReadRecordedSessions())
        assert [(each.id, each.calls, each.ended) for each in answer.sessions] == [
            *(("s3", 0, None), ("s2", 0, None), ("s1", 4, NOW + 9), ("s0", 0, None))
        ]

    async def test_a_resumed_session_goes_on(self, store: Store, known: MemoryStore) -> None:
        """It has begun when it began first, and has not ended."""
        session = NewSession("s1", "demo", "ann", "http", "c 1", NOW)
        await self.both(store, known, Batch(sessions=[session], ended=[SessionEnd("s1", NOW + 5)]))
        await self.both(store, known, Batch(sessions=[session._replace(began=NOW + 9)], calls=[call(session="s1")]))
        [found] = (await store.read_recorded_sessions(ReadRecordedSessions())).sessions
        assert (found.began, found.ended, found.calls) == (NOW, None, 1)
        same(
            await store.read_recorded_sessions(ReadRecordedSessions()),
            await known.read_recorded_sessions(ReadRecordedSessions()),
        )

    async def test_principals_that_called_are_known(self, store: Store, known: MemoryStore) -> None:
        """When first and last, and how often; late records too."""
        for times in ((5, 7), (3, 6), (9,)):
            calls = [call(NOW + at, principal="ann" if at != 7 else "bob") for at in times]
            await self.both(store, known, Batch(calls=[*calls, call(principal="")]))
        for limit in (1, 10):
            request = ReadRecordedPrincipals(limit=limit)
            same(await store.read_recorded_principals(request), await known.read_recorded_principals(request))
        [ann, bob] = (await store.read_recorded_principals(ReadRecordedPrincipals())).principals
        assert (ann.name, ann.first, ann.last, ann.calls) == ("ann", NOW + 3, NOW + 9, 4)
        assert bob.calls == 1

    async def test_a_batch_is_stored_once(self, store: Store) -> None:
        """Appended again with the same positions it changes nothing; each file has its own position."""
        batch = Batch(calls=[call()] * 3, lost=[Loss(NOW, 2)], positions={"a": 100, "b": 7})
        for _ in range(3):
            await store.append(batch)
        assert (await store.status()).calls == 3
        assert await store.positions() == {"a": 100, "b": 7}
        with pytest.raises(ValueError, match="one part of a batch is stored"):
            await store.append(Batch(calls=[call()], positions={"a": 100, "b": 8}))
        await store.append(Batch(calls=[call()], positions={"a": 120}, finished=frozenset({"b"})))
        assert await store.positions() == {"a": 120}
        status = await store.status()
        assert (status.calls, status.lost) == (4, 2)
        answer = await store.read_calls(ReadCalls())
        assert ([each.id for each in answer.calls], answer.last) == ([4, 3, 2, 1], 4)

    async def test_the_state_of_an_empty_store(self, store: Store) -> None:
        """Nothing, and what counts from one on."""
        status = await store.status()
        assert (status.calls, status.oldest, status.lost) == (0, None, 0)
        assert status.schema_version >= 1
        await store.append(Batch(calls=[call(NOW - 7), call(NOW - 9)], lost=[Loss(NOW, 1), Loss(NOW + 4000, 4)]))
        status = await store.status()
        assert (status.calls, status.oldest, status.lost) == (2, NOW - 9, 5)

    async def test_old_records_are_deleted_in_steps(self, store: Store, known: MemoryStore) -> None:
        """Of all kinds; ids are not given again."""
        old = [call(NOW - 900 - n, principal="old", arguments="{}") for n in range(RETAIN_STEP + 50)]
        change = NewChange(NOW - 500, "ann", "console", "put_server", "s", "", "a", "b")
        batch = Batch(
            calls=[*old, call(NOW - 5)],
            changes=[change, change._replace(at=NOW)],
            sign_ins=[NewSignIn(NOW - 500, "ann", "::1", "token", "ok")],
            sessions=[NewSession("s1", "demo", began=NOW - 500), NewSession("s2", "demo", began=NOW - 500)],
            ended=[SessionEnd("s2", NOW)],
        )
        await self.both(store, known, batch)
        steps = []
        while deleted := await store.retain(NOW - 100, 2**50):
            steps.append(deleted)
            await known.retain(NOW - 100, 2**50)
        assert len(steps) == 2
        assert steps[0] >= RETAIN_STEP
        assert (await store.status()).calls == 1
        same(await store.read_calls(ReadCalls()), await known.read_calls(ReadCalls()))
        same(await store.read_changes(ReadChanges()), await known.read_changes(ReadChanges()))
        same(await store.read_sign_ins(ReadSignIns()), await known.read_sign_ins(ReadSignIns()))
        sessions = await store.read_recorded_sessions(ReadRecordedSessions())
        assert [each.id for each in sessions.sessions] == ["s2"]
        assert (await store.read_calls(ReadCalls(before=5))).calls == ()

    async def test_what_is_too_much_is_deleted_oldest_first(self, store: Store) -> None:
        """Until the database uses no more than it may; new records stay."""
        text = random.Random(6).randbytes(1000).hex()  # such as no engine can compress
        for number in range(20):
            await store.append(Batch(calls=[call(NOW - 1000 + number, arguments=text, result=text)] * 100))
        while await store.retain(0, 2000 * 2500):
            pass
        status = await store.status()
        assert 300 <= status.calls <= 1500
        assert status.oldest is not None
        assert status.oldest > NOW - 1000
        assert (await store.read_calls(ReadCalls(limit=1))).calls[0].at == NOW - 981

    async def test_sign_ins_and_sessions_are_bounded(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who guesses tokens all day ends no record of a call; sessions go with the calls that were made in them."""
        for module in ("recorder.memory", "recorder.sql.appending"):
            monkeypatch.setattr(f"{module}.MOST_SIGN_INS", 30)
        sign_ins = [NewSignIn(NOW - 100 + n, "", "203.0.113.7", "login", "TOKEN_INVALID") for n in range(50)]
        sessions = [NewSession(f"s{n}", "demo", "ann", "http", "c 1", NOW - 100 + n) for n in range(50)]
        calls = [call(NOW - 100 + n, session=f"s{n}") for n in range(40)] + [call(NOW)] * RETAIN_STEP
        await store.append(Batch(calls=calls, sign_ins=sign_ins, sessions=sessions, ended=[SessionEnd("s1", NOW)]))
        while await store.retain(0, 2**50):
            pass
        assert [each.id for each in (await store.read_sign_ins(ReadSignIns())).sign_ins] == [*range(50, 20, -1)]
        assert (await store.status()).calls == 40 + RETAIN_STEP
        await store.retain(0, 0)
        left = (await store.read_recorded_sessions(ReadRecordedSessions())).sessions
        assert [each.id for each in left] == ["s1"], "the others ended before the calls that are left"
