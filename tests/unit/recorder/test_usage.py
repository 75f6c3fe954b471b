"""How calls are counted when they are stored, and which of their texts are replaced."""

from __future__ import annotations

from collections import defaultdict

from recorder import usage
from recorder.batch import NewCall, clean_calls
from recorder.spool import batch_of
from recorder.usage import DAY, HOUR, KEPT, MINUTE, Figures

NOW = 1_700_000_000.0


def calls() -> list[NewCall]:
    """Calls of three hours by two principals: some fail, some are of other methods, some of no server."""
    made = []
    for number in range(300):
        method, server = ("tools/call", "s1") if number % 7 else ("prompts/get", "s2" if number % 2 else "")
        made.append(
            NewCall(
                at=NOW - number * 37,
                seconds=0.0004 * number,
                workspace="w1" if number % 3 else "w2",
                principal=("ci", "")[number % 2],
                method=method,
                server=server,
                tool=f"t{number % 4}" if method == "tools/call" else "",
                outcome="ok" if number % 5 else "tool_error",
            )
        )
    return made


def test_each_call_is_counted_once_in_each_interval_and_scope() -> None:
    """The sums are those that adding up call by call gives."""
    wanted: dict[tuple[object, ...], Figures] = defaultdict(lambda: Figures(0, 0, 0.0, (0,) * 17))
    for call in calls():
        name = usage.tool_name(call.server, call.method, call.tool)
        for scope, shown in (("t", ""), ("n", name), ("p", call.principal)):
            for interval in (MINUTE, HOUR, DAY):
                if usage.begin(call.at, MINUTE) + MINUTE >= NOW - KEPT.get(interval, 10**9):
                    key = (scope, interval, usage.begin(call.at, interval), shown, call.workspace, call.server)
                    wanted[key] = wanted[key].plus(Figures.of_call(call))
    found = {row[:6]: Figures(row[6], row[7], round(row[8], 6), row[9:]) for row in usage.count(calls(), NOW)}
    assert found == {key: each._replace(seconds=round(each.seconds, 6)) for key, each in wanted.items()}


def test_what_no_database_stores_is_replaced_in_each_call() -> None:
    """Calls of which none has such a text are returned as they are."""
    plain = calls()
    assert clean_calls(plain) is plain
    bad = [*plain, plain[0]._replace(tool="a\0b", result="\ud800", arguments_size=3)]
    assert clean_calls(bad) == [
        *plain,
        plain[0]._replace(tool="a\N{REPLACEMENT CHARACTER}b", result="\ufffd", arguments_size=3),
    ]
    assert clean_calls([]) == []


def test_fields_of_a_line_may_have_any_order() -> None:
    """A sidecar of another version may write more of them."""
    fields = ["more", "outcome", "era", "number", "tool", "server", "method", "workspace", "sender", "seconds", "ended"]
    row = [0, "CALL_TIMEOUT", "legacy", 4, "echo", "s1", "tools/call", "w", 0, 0.5, 100.0]
    senders = [["c", 1, "sse", "ci", "s"]]
    line = {"fields": fields, "sender_fields": ["correlation", "x", "transport", "principal", "session"]}
    [first, second] = batch_of([{**line, "senders": senders, "calls": [row, [*row, {"waited": 0.1}]]}], 0.0, {}).calls
    assert first == NewCall(
        at=99.5,
        seconds=0.5,
        workspace="w",
        session="s",
        principal="ci",
        transport="sse",
        era="legacy",
        method="tools/call",
        server="s1",
        tool="echo",
        outcome="CALL_TIMEOUT",
        code="CALL_TIMEOUT",
        correlation="c4",
    )
    assert second == first._replace(waited=0.1)
