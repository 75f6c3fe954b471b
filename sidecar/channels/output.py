"""Parses the stdout of a stdio server (MCP, Transports, stdio), which may have other output between messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.channels import messages
from sidecar.channels.lines import Lines, LineTooLong, begins_json, frames_of
from sidecar.channels.messages import instead, left_open
from sidecar.channels.pace import Pace
from sidecar.errors import OutputTooLarge, SidecarError
from sidecar.large.process import JSON
from sidecar.large.reader import Message, ReadLarge, in_process
from sidecar.protocol.channel import Frame, OnFrame, UnreadableAnswer
from sidecar.protocol.large_values import LARGE_SIZE, Pieces

MAX_FIRST_LINE = 64 * 1024
"""Bytes of the first line of a message that spans several lines."""
MAX_OPEN = 1000
"""Unclosed objects and arrays of such a message; it would not be read anyway (`codec.loads`)."""
LINE_TIMEOUT = 1.0
"""Seconds within which the next line of such a message has to arrive."""
QUOTED_ANSWER_WAIT = 1.0
"""Seconds to wait for the answer itself after a line that only quotes it, as log lines on stdout may."""
BACKLOG_POLL = 0.05
"""Seconds after which it is looked again whether a server that floods reads its input."""
STUCK_SECONDS = 2.0
"""Seconds for which a server that floods may read nothing of its input before its output is read again."""
MAX_QUOTED = 100
"""Quoted answers that are waited for at the same time."""
_MARK = b'"jsonrpc"'
_CONTINUATION = frozenset(b'"{}[]-0123456789tfn')
"""Characters with which a further line of indented JSON may begin."""


class Output:
    """Passes frames to `on_frame`, and lines that are not messages to `on_skipped`.

    An answer that cannot be parsed, or is longer than `limit` bytes, is delivered as `UnreadableAnswer`. `on_flood` is
    called if a line counts as endless (lines.py). Indented JSON that spans several lines is joined.

    A large line is parsed by `read_large`, and further output waits for it. A server that sends more than anybody waits
    for is slowed down (pace.py), also while it does not read what it is sent: `backlog` returns how many messages too
    many wait for it. In both cases `set_reading(False)` is called, so that its output stays in the pipe, and
    `set_reading(True)` after that. `on_flood` is also called if it had to be slowed down for too long.

    A server may be unable to read its input before somebody reads its output: then each side would wait for the other.
    So its output is read again once it has read nothing for STUCK_SECONDS.
    """

    def __init__(
        self,
        on_frame: OnFrame,
        on_skipped: Callable[[bytes], None],
        on_flood: Callable[[], None],
        limit: int,
        read_large: ReadLarge = in_process,
        set_reading: Callable[[bool], None] = lambda _: None,
        report: Callable[[str], None] = lambda _: None,
        backlog: Callable[[], int] = lambda: 0,
    ) -> None:
        self.on_frame = on_frame
        self._on_skipped = on_skipped
        self._on_flood = on_flood
        self._limit = limit
        self._lines = Lines(limit, self._too_long)
        self._loop = asyncio.get_running_loop()
        self._read_large = read_large
        self._set_reading = set_reading
        self.pace = Pace(report)
        self._backlog = backlog
        self._last_backlog = 0
        self._read_at = 0.0  # when the server last read something of its backlog
        self._stuck_until = 0.0
        self._pause: asyncio.TimerHandle | None = None
        self._large: tuple[Pieces, asyncio.Future[Message]] | None = None  # the large line that is being parsed
        self._later: list[bytes | Pieces] = []  # lines that wait for it
        self._part: list[bytes] = []  # lines of an unfinished message
        self._open = 0  # unclosed objects and arrays in it
        self._size = 0
        self._line_timer: asyncio.TimerHandle | None = None
        self._line_at = 0.0  # when its last line arrived
        self._quoted: dict[int | str, asyncio.TimerHandle] = {}

    def feed(self, data: bytes) -> None:
        """Process output of the server."""
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self._on_flood()
            return
        if self._large is not None or self._pause is not None:
            self._later.extend(lines)
            return
        pace = self.pace
        for number, line in enumerate(lines):
            if len(line) >= LARGE_SIZE or pace.exceeded:
                self._later = lines[number:]
                self._process_later()
                return
            self._take(line)  # type: ignore[arg-type] # only large lines come in pieces
        if pace.exceeded:
            self._process_later()

    # --- servers that send too much --------------------------------------------------------------------------------

    @property
    def slowed(self) -> bool:
        """Whether the server is being slowed down, and that has been reported."""
        return self.pace.slowed or (self._pause is not None and self._backlog() > 0)

    @property
    def stuck(self) -> bool:
        """Whether the server floods, and its output is read although it reads nothing of its input."""
        return self._loop.time() < self._stuck_until

    def _must_pause(self) -> bool:
        """Pause if the server has sent more than anybody waits for; further output is processed after that."""
        seconds = self.pace.pause()
        if seconds <= 0:
            return False
        if self.pace.floods:
            self._on_flood()
        self._set_reading(False)
        self._pause = self._loop.call_later(seconds, self._resume)
        return True

    def _resume(self) -> None:
        if self._must_wait() and not self.pace.floods:
            self._pause = self._loop.call_later(BACKLOG_POLL, self._resume)
            return
        self._pause = None
        self._process_later()
        if self._pause is None and self._large is None:
            self._set_reading(True)

    def _must_wait(self) -> bool:
        """Return whether the server has to read its input first; if not although it reads nothing, it is `stuck`."""
        backlog, now = self._backlog(), self._loop.time()
        if not self._last_backlog or backlog < self._last_backlog:
            self._read_at = now
        self._last_backlog = backlog
        stuck = backlog > 0 and now - self._read_at >= STUCK_SECONDS
        self._stuck_until = now + STUCK_SECONDS if stuck else 0.0  # a flood pauses again within milliseconds
        return backlog > 0 and not stuck

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    # --- large lines ---------------------------------------------------------------------------------------------

    @property
    def reads(self) -> bool:
        """Whether output that has arrived is still to be delivered: a large line is being parsed, or this pauses."""
        return self._large is not None or self._pause is not None

    def _process_later(self) -> None:
        """Process the waiting lines, up to a large one that may be a message."""
        later, self._later = self._later, []
        for number, line in enumerate(later):
            if self.pace.exceeded and self._must_pause():
                self._later = later[number:]
                return
            if len(line) < LARGE_SIZE:
                self._take(_joined(line))
                continue
            pieces = line if isinstance(line, Pieces) else Pieces([line])
            if self._part or not begins_json(pieces.parts[0]):
                self._take(pieces.joined())
                continue
            self._later = later[number + 1 :]
            self._large = pieces, self._read_large(pieces, JSON)
            self._set_reading(False)
            self._large[1].add_done_callback(self._large_is_read)
            return
        if self.pace.exceeded:
            self._must_pause()

    def _large_is_read(self, read: asyncio.Future[Message]) -> None:
        if self._large is None or self._large[1] is not read:  # the output ended before
            return
        pieces, self._large = self._large[0], None
        self._set_reading(True)
        try:
            self._deliver_all(messages.frames_in(read.result().value, strict=True))
        except ValueError:
            self._unreadable(pieces.ends(messages.SCANNED, messages.TAIL))
        except SidecarError as error:
            self._unreadable(pieces.ends(messages.SCANNED, messages.TAIL), error)
        self._process_later()

    def _forget_large(self) -> list[bytes | Pieces]:
        """Stop parsing a large line, and pausing; returns all lines that are not processed yet."""
        self._end_pause()
        large, later, self._large, self._later = self._large, self._later, None, []
        if large is None:
            return later
        large[1].cancel()
        self._set_reading(True)
        return [large[0], *later]

    def end(self) -> None:
        """Process what is left at the end of the output."""
        for line in self._forget_large():
            self._take(_joined(line))
        if rest := self._lines.rest():
            self._take(rest)
        self._break_off()
        self.close()

    def close(self) -> None:
        """Stop parsing, and cancel all timers."""
        self._forget_large()
        for timer in (self._line_timer, *self._quoted.values()):
            if timer is not None:
                timer.cancel()
        self._quoted.clear()

    # --- lines ---------------------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        """Deliver the frames of a line, or handle a line that is not a message."""
        if not line and not self._part:
            self.pace.take_noise(0)
            return
        try:
            found = frames_of(line)
        except ValueError:
            self._refused(line)
            return
        if self._part:
            self._break_off()
        for frame in found:
            if self.on_frame(frame) is False:
                self.pace.take(len(line) // len(found))

    def _deliver_all(self, found: list[Frame]) -> None:
        if found and self._part:
            self._break_off()
        for frame in found:
            if self.on_frame(frame) is False:
                self.pace.take(0)

    def _refused(self, line: bytes) -> None:
        """Handle a line that is not a message: it may be part of one, or an answer that cannot be parsed."""
        text = line.strip()
        if self._part or (text.startswith(b"{") and len(text) <= MAX_FIRST_LINE and (left_open(text) or 0) > 0):
            self._continue(line, text)
            return
        self.pace.take_noise(len(line), broken=begins_json(line))
        if text:
            self._unreadable(line)

    def _continue(self, line: bytes, text: bytes) -> None:
        """Add a line to an unfinished message; if it cannot belong to it, give the message up."""
        opened = left_open(text)
        too_much = self._size + len(text) > self._limit or self._open > MAX_OPEN
        if opened is None or (text and text[0] not in _CONTINUATION) or too_much:
            self._break_off()
            self._refused(line)
            return
        self._part.append(line)
        self._open += opened
        self._size += len(line)
        self._line_at = self._loop.time()
        if self._open <= 0:
            self._complete()
        elif self._line_timer is None:
            self._line_timer = self._loop.call_later(LINE_TIMEOUT, self._check_line_timeout)

    def _check_line_timeout(self) -> None:
        """Give an unfinished message up if no line of it has arrived for LINE_TIMEOUT; else look again later.

        One timer serves all lines, since a timer for each would cost more than the line.
        """
        left = self._line_at + LINE_TIMEOUT - self._loop.time()
        if left > 0:
            self._line_timer = self._loop.call_later(left, self._check_line_timeout)
        else:
            self._break_off()

    def _complete(self) -> None:
        try:
            found = frames_of(b"\n".join(self._part))
        except ValueError:
            self._break_off()
            return
        size = self._size
        self._forget()
        for frame in found:
            if self.on_frame(frame) is False:
                self.pace.take(size // len(found))

    def _break_off(self) -> None:
        """Give an unfinished message up: its lines are skipped."""
        if lines := self._forget():
            for line in lines:
                self.pace.take_noise(len(line), broken=True)
                self._on_skipped(line)
            if unread := instead(b"\n".join(lines)):
                self.on_frame(unread)

    def _forget(self) -> list[bytes]:
        if self._line_timer is not None:
            self._line_timer.cancel()
        lines, self._part, self._open, self._size = self._part, [], 0, 0
        self._line_timer = None
        return lines

    # --- answers that cannot be parsed ---------------------------------------------------------------------------

    def _unreadable(self, line: bytes, error: SidecarError | None = None) -> None:
        self._on_skipped(line)
        first = line.lstrip()[:1]
        if first != b"{" and _MARK not in line:
            return
        if unread := instead(line, error):
            if first == b"{":
                self.on_frame(unread)
            else:
                self._deliver_later(unread)

    def _deliver_later(self, unread: UnreadableAnswer) -> None:
        """Deliver an error for an answer within a line later, unless the answer itself arrives: it may be a quote."""
        request_id = unread["id"]
        if request_id is not None and request_id not in self._quoted and len(self._quoted) < MAX_QUOTED:
            self._quoted[request_id] = self._loop.call_later(QUOTED_ANSWER_WAIT, self._deliver, unread)

    def _deliver(self, unread: UnreadableAnswer) -> None:
        del self._quoted[unread["id"]]
        self.on_frame(unread)

    def _too_long(self, ends: bytes, size: int) -> None:
        """Handle a line longer than the limit; `ends`: its beginning and end."""
        self._on_skipped(ends)
        most = f"the hub reads at most {_mib(self._limit)} in one message"
        if unread := instead(ends, OutputTooLarge(f"The server's answer has {_mib(size)}; {most}.")):
            self.on_frame(unread)


def _joined(line: bytes | Pieces) -> bytes:
    return line.joined() if isinstance(line, Pieces) else line


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.4g} MiB"
