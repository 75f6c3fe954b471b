"""Which log levels and subscriptions the next process finds."""

from __future__ import annotations

from pathlib import Path

from sidecar.downstream.session_states import MAX_SESSIONS, MAX_SUBSCRIPTIONS, MAX_URIS, SessionState, SessionStates

ERROR, DEBUG = SessionState("error", ()), SessionState("debug", ())


def kept(path: Path, states: dict[str, SessionState]) -> SessionStates:
    """A process that keeps these, and has written them."""
    made = SessionStates(path)
    for session_id, state in states.items():
        made.put(session_id, state)
    made.close()
    return made


async def test_what_is_written_first_keeps_the_rest(tmp_path: Path) -> None:
    """A new session that asks for something before an earlier one is resumed does not take that one's state away."""
    path = tmp_path / "sessions.json"
    kept(path, {"one": ERROR, "two": ERROR})
    kept(path, {"two": DEBUG, "three": ERROR})
    found = SessionStates(path)
    assert [found.find(name) for name in ("one", "two", "three", "four")] == [ERROR, DEBUG, ERROR, None]


async def test_it_does_not_grow(tmp_path: Path) -> None:
    """From process to process there are at most MAX_SESSIONS; the ones of this process are kept."""
    path = tmp_path / "sessions.json"
    kept(path, {f"a{number}": ERROR for number in range(MAX_SESSIONS)})
    kept(path, {f"b{number}": ERROR for number in range(10)})
    found = SessionStates(path)
    assert found.find("b9") == ERROR
    assert found.find("a9") is None
    assert found.find("a10") == ERROR
    assert len(found._states) == MAX_SESSIONS


async def test_long_uris(tmp_path: Path) -> None:
    """A client's URIs are kept as long as they are short together."""
    path = tmp_path / "sessions.json"
    short, long = tuple(f"a://{number}" for number in range(200)), "a://" + "x" * (MAX_URIS - 5)
    kept(path, {"many": SessionState(None, short), "long": SessionState(None, (long, "b", "c"))})
    found = SessionStates(path)
    assert found.find("many") == SessionState(None, short[:MAX_SUBSCRIPTIONS])
    assert found.find("long") == SessionState(None, (long, "b"))
