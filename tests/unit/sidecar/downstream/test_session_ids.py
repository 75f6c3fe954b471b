"""Ids of sessions that outlive the process: what another process reads in them, and what nobody else can make."""

from __future__ import annotations

import secrets
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.downstream import session_ids
from sidecar.downstream.session_ids import (
    MAX_ID_LENGTH,
    MAX_RESUME_AGE,
    RANDOM_LENGTH,
    Handshake,
    SessionBinding,
    SessionIds,
)

WHOSE = SessionBinding("w", "k0000001", "mark")
AGREED = Handshake("2025-11-25", {"roots": {"listChanged": True}, "elicitation": {}})
NOW = 1_800_000_000.0


class Clock:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def made(path: Path, agreed: Handshake = AGREED, whose: SessionBinding = WHOSE) -> str:
    """An id that a process of the hub gave at NOW."""
    return SessionIds(path / "key", Clock()).seal(secrets.token_hex(RANDOM_LENGTH // 2), whose, agreed)


def read(path: Path, session_id: str, whose: SessionBinding = WHOSE, later: float = 0.0) -> Handshake | None:
    """What another process reads in it."""
    clock = Clock()
    clock.now += later
    return SessionIds(path / "key", clock).read(session_id, whose)


@pytest.mark.parametrize(
    "agreed",
    [AGREED, Handshake("2024-11-05", {}), Handshake("2025-06-18", {"experimental": {"größe": {"n": 1 << 80}}})],
)
def test_what_another_process_reads(tmp_path: Path, agreed: Handshake) -> None:
    """The handshake, as it was; the id is of letters, digits, `-` and `_`, and short."""
    session_id = made(tmp_path, agreed)
    assert read(tmp_path, session_id) == agreed
    assert set(session_id) <= set(string.ascii_letters + string.digits + "-_")
    assert len(made(tmp_path, Handshake("2025-11-25", {}))) <= 92


def test_ids_differ(tmp_path: Path) -> None:
    """Two sessions of the same client at the same time have two ids, from the first characters on."""
    assert len({made(tmp_path)[:8] for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "whose",
    [
        WHOSE._replace(workspace="v"),
        WHOSE._replace(key="k0000002"),
        WHOSE._replace(token_hash="other"),
        SessionBinding("w"),
        SessionBinding("w", "k0000001mark", ""),
        SessionBinding("w\0k0000001", "", "mark"),
    ],
)
def test_whose_it_is(tmp_path: Path, whose: SessionBinding) -> None:
    """Good for one workspace and one key; no shift of characters between the fields is another way to say the same."""
    session_id = made(tmp_path)
    assert read(tmp_path, session_id, whose) is None
    assert read(tmp_path, session_id) == AGREED


def test_another_hub(tmp_path: Path) -> None:
    """A hub with another data directory, or whose key was removed, knows none of them."""
    session_id = made(tmp_path / "a")
    assert read(tmp_path / "b", session_id) is None
    (tmp_path / "a" / "key").unlink()
    assert read(tmp_path / "a", session_id) is None


def test_its_age(tmp_path: Path) -> None:
    """An hour before the bound it is read, an hour after it is not; a clock that was set back harms nobody."""
    session_id = made(tmp_path)
    assert read(tmp_path, session_id, later=MAX_RESUME_AGE - 3600)
    assert read(tmp_path, session_id, later=-3600)
    assert read(tmp_path, session_id, later=MAX_RESUME_AGE + 3600) is None


def test_the_process_that_made_it(tmp_path: Path) -> None:
    """What this process made and does not know any more has ended."""
    ids = SessionIds(tmp_path / "key")
    assert ids.read(ids.seal("0" * RANDOM_LENGTH, WHOSE, AGREED), WHOSE) is None


def test_what_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed session that ended is not resumed again; when no more of these can be remembered, none is."""
    monkeypatch.setattr(session_ids, "MAX_RETIRED", 2)
    first, second, third = made(tmp_path), made(tmp_path), made(tmp_path)
    ids = SessionIds(tmp_path / "key", Clock())
    ids.retire(first)
    assert (ids.read(first, WHOSE), ids.read(second, WHOSE)) == (None, AGREED)
    ids.retire(second)
    assert ids.read(third, WHOSE) is None


def test_a_handshake_that_is_too_long(tmp_path: Path) -> None:
    """The id is the plain one, which no process reads; just below, it is within the bound."""

    def of(length: int) -> str:
        return made(tmp_path, Handshake("2025-11-25", {"x": "y" * length}))

    lengths = [len(of(length)) for length in range(600, 800)]
    assert max(lengths) <= MAX_ID_LENGTH
    assert max(lengths) > MAX_ID_LENGTH - 3
    assert lengths[-1] == RANDOM_LENGTH
    assert read(tmp_path, of(799)) is None


CHANGES = st.one_of(
    st.tuples(
        st.just("change"), st.integers(0, 200), st.sampled_from(string.ascii_letters + string.digits + "-_=.+/ é")
    ),
    st.tuples(st.just("cut"), st.integers(0, 200), st.integers(1, 200)),
    st.tuples(st.just("insert"), st.integers(0, 200), st.text(max_size=4)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=CHANGES)
def test_no_other_spelling(tmp_path: Path, change: Any) -> None:
    """Whatever is changed, left out or put in: it is not read, and nothing is raised; the id itself is."""
    session_id = made(tmp_path)
    kind, at, by = change
    at %= len(session_id)
    if kind == "change":
        other = session_id[:at] + by + session_id[at + 1 :]
    elif kind == "cut":
        other = session_id[:at] + session_id[at + by :]
    else:
        other = session_id[:at] + by + session_id[at:]
    assert read(tmp_path, other) == (AGREED if other == session_id else None)


@pytest.mark.parametrize("text", ["", "x", "0" * 54, "0" * 55, "A" * 1024, "A" * 1025, "é" * 100, "\x00" * 80])
def test_what_was_never_an_id(tmp_path: Path, text: str) -> None:
    """Of any length and of any characters."""
    assert read(tmp_path, text) is None


def test_with_the_name_of_a_replica(tmp_path: Path) -> None:
    """The id begins with it. Another process reads the id, but not under another name or without it."""
    plain = f"r0.{secrets.token_hex(RANDOM_LENGTH // 2)}"
    session_id = SessionIds(tmp_path / "key", Clock()).seal(plain, WHOSE, AGREED)
    assert session_id.startswith(f"{plain}") and len(session_id) <= MAX_ID_LENGTH
    assert read(tmp_path, session_id) == AGREED
    assert read(tmp_path, session_id.replace("r0.", "r1.")) is None
    assert read(tmp_path, session_id.removeprefix("r0.")) is None
    ended = SessionIds(tmp_path / "key", Clock())
    ended.retire(session_id)
    assert ended.read(session_id, WHOSE) is None
