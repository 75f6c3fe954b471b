"""How much may be under way at once."""

from __future__ import annotations

import asyncio

from sidecar.places import Places
from tests.support.fake_server import settle


async def test_places() -> None:
    """So many can be had at once, and again when they were given back."""
    places = Places(2)
    assert [places.take() for _ in range(3)] == [True, True, False]
    places.give_back()
    assert [places.take(), places.take()] == [True, False]


async def test_turns() -> None:
    """Who waits for longest is served first, before anybody who comes later."""
    places, served = Places(1), list[int]()

    async def wait(number: int) -> None:
        await places.wait()
        served.append(number)

    await wait(0)
    async with asyncio.TaskGroup() as tasks:
        for number in (1, 2, 3):
            tasks.create_task(wait(number))
        await settle()
        for _ in range(3):
            places.give_back()
            assert not places.take()
            await settle()
    assert served == [0, 1, 2, 3]
    places.give_back()
    assert places.take()


async def test_who_gives_up_leaves_its_turn_to_others() -> None:
    """Also one that was given a place at the very moment."""
    places = Places(1)
    await places.wait()
    first, second, third = (asyncio.create_task(places.wait()) for _ in range(3))
    await settle()
    first.cancel()
    await settle()
    places.give_back()
    second.cancel()
    await settle()
    assert (first.cancelled(), second.cancelled(), third.done()) == (True, True, True)
    assert not places.take()
    places.give_back()
    assert places.take()


async def test_a_turn_that_was_cancelled_in_between_is_passed_over() -> None:
    """Its task has not run yet when a place is given back."""
    places = Places(1)
    await places.wait()
    first, second = (asyncio.create_task(places.wait()) for _ in range(2))
    await settle()
    first.cancel()
    places.give_back()
    await settle()
    assert (first.cancelled(), second.done()) == (True, True)
