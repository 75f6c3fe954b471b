"""The end of a burst."""

from __future__ import annotations

import asyncio

from yamcp_ui_adapter.files.debounce import Debouncer


async def test_silence_is_no_burst() -> None:
    """Within the patience given."""
    assert await Debouncer().wait(0.01) is False


async def test_a_burst_ends_when_it_is_quiet() -> None:
    """A notice within the quiet time prolongs it."""
    settle = Debouncer(quiet=1, longest=40)
    waiting = asyncio.create_task(settle.wait(1))
    begin = asyncio.get_running_loop().time()
    for _ in range(5):
        settle.notice()
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting
    assert asyncio.get_running_loop().time() - begin >= 1.2


async def test_a_burst_without_end_ends_after_the_longest_time() -> None:
    """A writer that never stops must not starve the reader."""
    settle = Debouncer(quiet=0.1, longest=0.3)
    waiting = asyncio.create_task(settle.wait(1))
    begin = asyncio.get_running_loop().time()
    while not waiting.done():
        settle.notice()
        await asyncio.sleep(0.02)
    assert asyncio.get_running_loop().time() - begin >= 0.3


async def test_a_notice_before_the_wait_counts() -> None:
    """It came while the files were read."""
    settle = Debouncer(quiet=0.01)
    settle.notice()
    assert await settle.wait(0)
