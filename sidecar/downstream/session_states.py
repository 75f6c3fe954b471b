"""Keeps on disk what a session of Streamable HTTP has asked for after its handshake: its log level and the resources
that it has subscribed to (MCP 2025-11-25, Logging, Resources). A process that resumes the session restores it (ADR 35).

Nearly no client asks for either, so the file is small, and it is replaced at each change. A session is named by a hash
of its id, which is a credential.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from bridge.private import write_file
from sidecar.protocol import codec

log = logging.getLogger(__name__)

WRITE_DELAY = 0.1
"""Seconds for which changes are collected into one write."""
MAX_SESSIONS = 2000
MAX_SUBSCRIPTIONS = 100
"""Limit for the subscriptions that are kept of a session."""
MAX_URIS = 16 * 1024
"""Limit for the characters of their URIs together: clients choose them, and the file is written as a whole."""


class SessionState(NamedTuple):
    """What a session has asked for."""

    log_level: str | None
    subscriptions: tuple[str, ...]
    """The resources' URIs, as the client knows them."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to restore."""
        return self.log_level is None and not self.subscriptions


class SessionStates:
    """The states of all sessions that have one, the one changed last at the end. `path` is their file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._states: dict[str, SessionState] = {}
        self._read_at = 0
        """The modification time (ns) of the file when it was read or written."""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def put(self, session_id: str, state: SessionState) -> None:
        """Keep a state, in place of the session's earlier one."""
        self.forget(session_id)
        if not state.empty:
            self._states[_name(session_id)] = state._replace(subscriptions=_limited(state.subscriptions))
            self._forget_oldest()
            self._write_soon()

    def forget(self, session_id: str) -> None:
        """The session has ended, or has nothing to restore. Does nothing once this is closed."""
        if self._states and not self._closed and self._states.pop(_name(session_id), None) is not None:
            self._write_soon()

    def _forget_oldest(self) -> None:
        while len(self._states) > MAX_SESSIONS:
            del self._states[next(iter(self._states))]

    def find(self, session_id: str) -> SessionState | None:
        """The state of a session, which may be of an earlier process."""
        self._read()
        return self._states.get(_name(session_id))

    def close(self) -> None:
        """Write what is not written yet. From now on another process may write the file, and this one does not."""
        if self._timer is not None:
            self._write()
        self._closed = True

    def _write_soon(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(WRITE_DELAY, self._write)

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._read()  # else states of an earlier process would be lost whose sessions are not resumed yet
        body = {name: [state.log_level, list(state.subscriptions)] for name, state in self._states.items()}
        try:
            write_file(self._path, codec.dumps({"version": 1, "at": time.time(), "sessions": body}), sync=False)
            self._read_at = self._path.stat().st_mtime_ns
        except OSError as error:
            log.warning("log levels and subscriptions will not outlive the hub", extra={"reason": error.strerror})

    def _read(self) -> None:
        """Take over what another process has written since."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed == self._read_at:
                return
            self._read_at = changed
            found = codec.loads(self._path.read_bytes())["sessions"]
            states = {name: _state(level, uris) for name, (level, uris) in found.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            log.warning("the file of sessions' log levels and subscriptions cannot be read")
            return
        self._states = {**states, **self._states}
        self._forget_oldest()


def _limited(uris: tuple[str, ...]) -> tuple[str, ...]:
    """The first of these URIs, as many as are kept."""
    lengths = accumulate(map(len, uris[:MAX_SUBSCRIPTIONS]))
    return uris[: sum(length <= MAX_URIS for length in lengths)]


def _state(level: Any, uris: Any) -> SessionState:
    """Raises ValueError, TypeError."""
    if not (level is None or isinstance(level, str)):
        raise ValueError("a log level is a string")
    return SessionState(level, tuple(map(str, uris)))


def _name(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()[:32]
