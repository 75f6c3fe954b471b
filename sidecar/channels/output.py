"""What a stdio server writes to its stdout, as frames (MCP, Transports, stdio), and what else it may write there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.channels import messages
from sidecar.channels.lines import Lines, LineTooLong, begins_json, frames_of
from sidecar.channels.messages import instead, left_open
from sidecar.errors import OutputTooLarge, SidecarError
from sidecar.large.process import JSON
from sidecar.large.reader import Message, ReadLarge, in_process
from sidecar.protocol.channel import Frame, OnFrame, Unread
from sidecar.protocol.large_values import LARGE, Pieces

LONGEST_OPENING = 64 * 1024
"""Bytes of the first line of a message over several lines."""
PATIENCE = 1.0
"""Seconds in which the next line of such a message has to come."""
GRACE = 1.0
"""Seconds in which the answer may come of which a line only tells, as logs of servers do that print to stdout."""
MOST_TOLD = 100
"""Answers of which lines tell, at once."""
_MARK = b'"jsonrpc"'
_GOES_ON = frozenset(b'"{}[]-0123456789tfn')
"""What a line of indented JSON begins with."""


class Output:
    """Hands frames to `on_frame`, and to `on_skipped` each line that is no message.

    An answer that cannot be read, or is longer than `limit` bytes, is handed on as `Unread`. `on_flood` is called when
    a line goes on too long for that. Indented JSON, which takes several lines, is put together.

    A large line is read by `read_large`; what comes after it waits. `pace` is called with False when that begins, so
    that no more than was read already has to be kept, and with True when it has ended.
    """

    def __init__(
        self,
        on_frame: OnFrame,
        on_skipped: Callable[[bytes], None],
        on_flood: Callable[[], None],
        limit: int,
        read_large: ReadLarge = in_process,
        pace: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self.on_frame = on_frame
        self._on_skipped = on_skipped
        self._on_flood = on_flood
        self._limit = limit
        self._lines = Lines(limit, self._too_long)
        self._loop = asyncio.get_running_loop()
        self._read_large = read_large
        self._pace = pace
        self._large: tuple[Pieces, asyncio.Future[Message]] | None = None  # the line that is being read
        self._later: list[bytes | Pieces] = []  # lines that wait for it
        self._part: list[bytes] = []  # lines of a message that is not complete
        self._open = 0  # objects and arrays in it that have not ended
        self._size = 0
        self._patience: asyncio.TimerHandle | None = None
        self._told: dict[int | str, asyncio.TimerHandle] = {}

    def feed(self, data: bytes) -> None:
        """Take what the server wrote."""
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self._on_flood()
            return
        if self._large is not None:
            self._later.extend(lines)
            return
        for line in lines:
            if len(line) >= LARGE:
                self._later = lines[lines.index(line) :]
                self._go_on_later()
                return
            self._take(line)  # type: ignore[arg-type] # only large lines come in pieces

    # --- large lines ---------------------------------------------------------------------------------------------

    @property
    def reads(self) -> bool:
        """Whether a large line is being read."""
        return self._large is not None

    def _go_on_later(self) -> None:
        """Take what waits, up to a large line that may be a message."""
        later, self._later = self._later, []
        for number, line in enumerate(later):
            if len(line) < LARGE:
                self._take(_joined(line))
                continue
            pieces = line if isinstance(line, Pieces) else Pieces([line])
            if self._part or not begins_json(pieces.parts[0]):
                self._take(pieces.joined())
                continue
            self._later = later[number + 1 :]
            self._large = pieces, self._read_large(pieces, JSON)
            self._pace(False)
            self._large[1].add_done_callback(self._large_is_read)
            return

    def _large_is_read(self, read: asyncio.Future[Message]) -> None:
        if self._large is None or self._large[1] is not read:  # the end came before
            return
        pieces, self._large = self._large[0], None
        self._pace(True)
        try:
            self._hand_on(messages.frames_in(read.result().value, strict=True))
        except ValueError:
            self._unreadable(pieces.ends(messages.SCANNED, messages.TAIL))
        except SidecarError as error:
            self._unreadable(pieces.ends(messages.SCANNED, messages.TAIL), error)
        self._go_on_later()

    def _forget_large(self) -> list[bytes | Pieces]:
        """Have nothing read any more; the lines that are not taken yet."""
        large, later, self._large, self._later = self._large, self._later, None, []
        if large is None:
            return later
        large[1].cancel()
        self._pace(True)
        return [large[0], *later]

    def end(self) -> None:
        """There will be no more: what is not complete is judged as it is."""
        for line in self._forget_large():
            self._take(_joined(line))
        if rest := self._lines.rest():
            self._take(rest)
        self._break_off()
        self.close()

    def close(self) -> None:
        """Wait for nothing any more."""
        self._forget_large()
        for timer in (self._patience, *self._told.values()):
            if timer is not None:
                timer.cancel()
        self._told.clear()

    # --- lines ---------------------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        """Hand on the frames of a line; where it is no message, do what is to be done about that."""
        try:
            found = frames_of(line)
        except ValueError:
            self._refused(line)
            return
        if self._part:
            self._hand_on(found)
        else:
            for frame in found:
                self.on_frame(frame)

    def _hand_on(self, found: list[Frame]) -> None:
        if found and self._part:
            self._break_off()
        for frame in found:
            self.on_frame(frame)

    def _refused(self, line: bytes) -> None:
        """A line that is no message: perhaps a part of one, or an answer that cannot be read."""
        text = line.strip()
        if self._part:
            self._go_on(line, text)
        elif not text:
            return
        elif text.startswith(b"{") and len(text) <= LONGEST_OPENING and (left_open(text) or 0) > 0:
            self._go_on(line, text)
        else:
            self._unreadable(line)

    def _go_on(self, line: bytes, text: bytes) -> None:
        """A line of a message over several lines; with what is none, it is broken off."""
        opened = left_open(text)
        if opened is None or (text and text[0] not in _GOES_ON) or self._size + len(text) > self._limit:
            self._break_off()
            self._refused(line)
            return
        self._part.append(line)
        self._open += opened
        self._size += len(line)
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self._loop.call_later(PATIENCE, self._break_off)
        if self._open <= 0:
            self._complete()

    def _complete(self) -> None:
        try:
            found = frames_of(b"\n".join(self._part))
        except ValueError:
            self._break_off()
            return
        self._forget()
        for frame in found:
            self.on_frame(frame)

    def _break_off(self) -> None:
        """What was put together is no message."""
        if lines := self._forget():
            for line in lines:
                self._on_skipped(line)
            if unread := instead(b"\n".join(lines)):
                self.on_frame(unread)

    def _forget(self) -> list[bytes]:
        if self._patience is not None:
            self._patience.cancel()
        lines, self._part, self._open, self._size = self._part, [], 0, 0
        self._patience = None
        return lines

    # --- answers that cannot be read -----------------------------------------------------------------------------

    def _unreadable(self, line: bytes, error: SidecarError | None = None) -> None:
        self._on_skipped(line)
        first = line.lstrip()[:1]
        if first != b"{" and _MARK not in line:
            return
        if unread := instead(line, error):
            if first == b"{":
                self.on_frame(unread)
            else:
                self._soon(unread)

    def _soon(self, unread: Unread) -> None:
        """A line has an answer in it, after something else: perhaps it is only told of, and comes itself."""
        request_id = unread["id"]
        if request_id is not None and request_id not in self._told and len(self._told) < MOST_TOLD:
            self._told[request_id] = self._loop.call_later(GRACE, self._was_it, unread)

    def _was_it(self, unread: Unread) -> None:
        del self._told[unread["id"]]
        self.on_frame(unread)

    def _too_long(self, ends: bytes, size: int) -> None:
        """A line was longer than the limit: `ends` are its beginning and its end."""
        self._on_skipped(ends)
        most = f"the hub reads at most {_mib(self._limit)} in one message"
        if unread := instead(ends, OutputTooLarge(f"The server's answer has {_mib(size)}; {most}.")):
            self.on_frame(unread)


def _joined(line: bytes | Pieces) -> bytes:
    return line.joined() if isinstance(line, Pieces) else line


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.4g} MiB"
