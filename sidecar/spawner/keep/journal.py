"""What a successor has to know of the requests to a kept server: in memory that the spawner holds for it."""

from __future__ import annotations

import mmap
import os

SLOTS = 4096
"""Requests are noted by id modulo this; one that outlasts as many later ones may be forgotten."""
PARTIAL, LAST, FIRST_SLOT = 0, 1, 2
SIZE = (FIRST_SLOT + SLOTS) * 8
ID_GAP = 1000
"""Distance of a successor's ids from those noted: the last one may have been sent and not noted."""


def create() -> int:
    """A descriptor of an empty journal. Raises OSError."""
    fd = os.memfd_create("yamcp-hub-journal", os.MFD_CLOEXEC)
    os.ftruncate(fd, SIZE)
    return fd


class Journal:
    """The journal in a descriptor, which stays the caller's. Notes cost a write to memory each; none is ever lost."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, SIZE)
        self._numbers = memoryview(self._map).cast("Q")
        self.unanswered = tuple(sorted(number for number in self._numbers[FIRST_SLOT:] if number))
        """The ids of the predecessor's requests that were under way."""
        self.first_id = self._numbers[LAST] + ID_GAP if self._numbers[LAST] else 0
        """From here on ids are new to the server."""
        self.cut = bool(self._numbers[PARTIAL])
        """Whether the predecessor may have written a part of a line."""
        for number in self.unanswered:
            self._numbers[FIRST_SLOT + number % SLOTS] = 0

    def sent(self, number: int) -> None:
        """A request is being sent."""
        self._numbers[LAST] = number
        self._numbers[FIRST_SLOT + number % SLOTS] = number

    def answered(self, number: int) -> None:
        """A request was answered."""
        slot = FIRST_SLOT + number % SLOTS
        if self._numbers[slot] == number:
            self._numbers[slot] = 0

    def partial(self, whether: bool) -> None:
        """Note whether a part of a line may have been written."""
        self._numbers[PARTIAL] = whether

    def close(self) -> None:
        """Release the memory; the notes stay."""
        self._numbers.release()
        self._map.close()
