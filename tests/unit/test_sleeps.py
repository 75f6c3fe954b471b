"""Tests wait for what happens, not for a time: each sleep of a fixed time outside of a loop has a reason here.

A sleep "until it will have happened" is too short on a busy machine. A sleep in a `while` loop is a look at what no
event tells of. What a test asserts is not how long something took: on a busy machine everything takes long.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
LONGER = "longer than a limit of the product, which must not have acted by then; later is as good"
LASTS = "how long a fault lasts; longer is as good"
PACE = "the pace of a program or of changes; every pace has to do"
SLEEPS = {"asyncio.sleep", "time.sleep"}
CLOCKS = ("monotonic()", "perf_counter()", "time.time()", "loop().time()", "loop.time()")
NOTHING = "nothing may happen in this time, or it may be longer"
ALLOWED = {
    "acceptance/test_edits_under_load.py test_edits_under_load": PACE,
    "acceptance/test_edits_under_load.py test_half_an_edit": "time for the adapter to read half of it, if it is quick",
    "acceptance/test_one_process.py test_vanished_http_client": LONGER,
    "acceptance/test_request_state.py test_expired": "the limit itself; what comes after it is waited for",
    "acceptance/test_restarts.py test_both_restarted": "the first one begins before the second; any order has to do",
    "faults/clients.py _half_open": LASTS,
    "faults/clients.py _never_reads": LASTS,
    "faults/faults.py _killed": LASTS,
    "faults/faults.py _misbehave": LASTS,
    "faults/faults.py _misbehave_remotely": LASTS,
    "faults/faults.py _stopped": LASTS,
    "faults/load.py _call_in": PACE,
    "faults/remote_server.py _broken": LASTS,
    "faults/remote_server.py _call": LONGER,
    "faults/scene.py be_quiet": "the time in which is measured",
    "faults/stdio_server.py _call": LASTS,
    "faults/stdio_server.py fork": LASTS,
    "faults/stdio_server.py leak": LASTS,
    "faults/stdio_server.py serve": LASTS,
    "faults/test_leaks.py _held_later": PACE,
    "integration/bridge/peer.py logs": PACE,
    "faults/test_supervised_under_load.py test_a_stopped_supervisord_holds_up_nobody": NOTHING,
    "integration/channels/test_flood.py script": PACE,
    "integration/containers/test_containers.py test_a_pull_is_told_and_not_timed": LONGER,
    "integration/databases/test_postgres.py statistics_of": "a look in a loop: the server tells it to nobody",
    "integration/replicas/test_draining.py _call": PACE,
    "integration/spawner/greedy.py in_child": "it runs until it is killed",
    "integration/spawner/nasty.py breed": PACE,
    "integration/spawner/nasty.py daemon": "it runs until it is killed",
    "integration/spawner/nasty.py kid": "it runs until it is killed",
    "integration/spawner/nasty.py loner": "it runs until it is killed",
    "integration/spawner/once.py <module>": PACE,
    "integration/spawner/test_limits.py test_below_the_limit_nothing_happens": LONGER,
    "integration/spawner/test_stdio.py opening": "it lasts until it is cancelled",
    "integration/spawner/test_stdio.py test_cancelled_while_opening": PACE,
    "integration/spawner/test_stop.py test_cancelled_start": PACE,
    "integration/yamcp_ui_adapter/rewriter.py main": PACE,
    "integration/yamcp_ui_adapter/test_two_writers.py test_no_change_of_either_is_lost": LONGER,
    "odd/remotes.py script": PACE,
    "support/fake_server.py until": "a look in a loop of turns",
    "unit/bridge/test_deadlines.py test_nothing_is_late_once_closed": LONGER,
    "unit/sidecar/concurrency/test_timeout.py test_result_and_error_in_time_pass": LONGER,
    "unit/sidecar/hub/test_key_workspaces.py test_gone_after_the_last": LONGER,
    "unit/yamcp_ui_adapter/files/test_debounce.py test_a_burst_ends_when_it_is_quiet": "a twentieth of the quiet time",
    "unit/yamcp_ui_adapter/test_app.py test_a_storm_of_writes_in_place_never_yields_an_empty_configuration": PACE,
    "unit/yamcp_ui_adapter/test_app.py test_an_editor_that_renames_while_it_saves_deletes_nothing": LONGER,
    "unit/sidecar/hub/test_status.py test_sleeping_and_down": NOTHING,
    "unit/sidecar/supervision/test_health.py test_busy_server_is_left_alone": NOTHING,
    "unit/sidecar/supervision/test_health.py test_off": NOTHING,
    "integration/upstream_auth/test_sign_in.py test_a_token_is_refreshed_before_it_ends": "the end of the token itself",
    "support/oauth_server.py exchange_refresh_token": PACE,
    "unit/sidecar/supervision/test_sleep.py test_idle_stop_ends_no_call": NOTHING,
    "unit/sidecar/supervision/test_sleep.py test_idle_stop_ends_no_subscription": NOTHING,
    "unit/sidecar/supervision/test_sleep.py test_lazy_start": NOTHING,
    "unit/sidecar/supervision/test_sleep.py test_per_client_never_sleeps": NOTHING,
    "unit/sidecar/supervision/test_sleep.py test_usage_that_is_seen_late": NOTHING,
    "unit/sidecar/supervision/test_sleep.py test_used_while_its_lists_are_read": NOTHING,
    "unit/sidecar/upstream/test_progress_deadline.py __call__": PACE,
}
"""Files and functions that sleep outside of a `while` loop, and why that is no wait in hope."""


def sleeping(node: ast.AST, function: str = "<module>") -> Iterator[str]:
    """The functions below a node that sleep for more than a turn of the event loop, outside of `while` loops."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.While):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func) in SLEEPS and ast.unparse(child.args[0]) != "0":
            yield function
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from sleeping(child, child.name if named else function)


def files() -> Iterator[Path]:
    """The Python files of the tests; what npm installed beside them is not walked through."""
    for folder, inside, names in os.walk(TESTS):
        inside[:] = [name for name in inside if name != "node_modules"]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def test_each_sleep_has_a_reason() -> None:
    """Who adds a sleep says why it is right however busy the machine is, or waits for an event."""
    found = set()
    for path in files():
        if "sleep(" in (text := path.read_text("utf-8")):
            found |= {f"{path.relative_to(TESTS)} {function}" for function in sleeping(ast.parse(text))}
    assert found == ALLOWED.keys()


def hurrying(node: ast.AST) -> Iterator[int]:
    """The lines of assertions that the time since something is less than a limit."""
    for found in ast.walk(node):
        if isinstance(found, ast.Assert) and isinstance(found.test, ast.Compare):
            left, ops = found.test.left, found.test.ops
            since = isinstance(left, ast.BinOp) and ast.unparse(left.left).endswith(CLOCKS)
            if since and isinstance(ops[0], ast.Lt | ast.LtE):
                yield found.lineno


def test_nothing_has_to_be_quick() -> None:
    """`bench/` measures; a test makes the limit that would be missed so long that its own patience ends first."""
    texts = {path: path.read_text("utf-8") for path in files()}
    found = {
        f"{path.relative_to(TESTS)}:{line}"
        for path, text in texts.items()
        if any(clock in text for clock in CLOCKS)
        for line in hurrying(ast.parse(text))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("line", "sleeps"),
    [
        ("await asyncio.sleep(1)", True),
        ("time.sleep(PATIENCE)", True),
        ("while not seen: await asyncio.sleep(0.1)", False),
        ("await asyncio.sleep(0)", False),
    ],
)
def test_what_counts(line: str, sleeps: bool) -> None:
    """A sleep of a fixed time, not a look in a loop, nor a turn of the event loop."""
    assert list(sleeping(ast.parse(f"async def f():\n {line}"))) == (["f"] if sleeps else [])


@pytest.mark.parametrize(
    ("line", "hurries"),
    [
        ("assert time.monotonic() - began < 5", True),
        ("assert asyncio.get_running_loop().time() - began <= 5, 'late'", True),
        ("assert time.monotonic() - began >= 0.3", False),
        ("assert time.monotonic() < deadline", False),
    ],
)
def test_what_hurries(line: str, hurries: bool) -> None:
    """An upper limit, not a lower one, nor the end of a loop's patience."""
    assert bool(list(hurrying(ast.parse(line)))) is hurries
