"""EventPublisher and Subscriber: events as hints, over either transport."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bridge.client import Subscriber
from bridge.codec import Envelope, encode
from bridge.errors import AddressInvalid, AddressTaken
from bridge.models import Event
from bridge.server import EventPublisher
from tests.unit.bridge.conversation import Place


def publisher(place: Place, session: str = "p") -> EventPublisher:
    return EventPublisher(place.address, session=session, transport=place.transport)


def subscriber(place: Place, *topics: str) -> Subscriber:
    return (
        Subscriber(place.address, topics, transport=place.transport)
        if topics
        else Subscriber(place.address, transport=place.transport)
    )


async def test_after_the_join_nothing_is_missed(place: Place) -> None:
    """The first event is `joined`, and each event published from then on arrives, once and in order."""
    async with publisher(place) as hub, subscriber(place) as events:
        stream = aiter(events)
        assert await anext(stream) == Event(topic="joined", subject="p")
        sent = [Event(topic="server", subject=str(n), data={"n": n}) for n in range(500)]
        for event in sent:
            hub.publish(event)
        assert [await anext(stream) for _ in sent] == sent


async def test_only_the_topics_asked_for_arrive(place: Place) -> None:
    """Others are not even sent."""
    async with publisher(place) as hub, subscriber(place, "log", "applied") as events:
        stream = aiter(events)
        assert (await anext(stream)).topic == "joined"
        for topic in ("server", "log", "sessions", "workspace", "applied"):
            hub.publish(Event.model_validate({"topic": topic}))
        assert [(await anext(stream)).topic for _ in range(2)] == ["log", "applied"]


async def test_a_join_is_told_to_the_one_who_joined(place: Place) -> None:
    """A second subscriber's join is not an event for the first."""
    async with publisher(place) as hub, subscriber(place) as first:
        one = aiter(first)
        assert (await anext(one)).topic == "joined"
        async with subscriber(place) as second:
            two = aiter(second)
            assert (await anext(two)).topic == "joined"
            hub.publish(Event(topic="log"))
            assert [(await anext(stream)).topic for stream in (one, two)] == ["log", "log"]


async def test_a_subscriber_rejoins_a_restarted_publisher(place: Place) -> None:
    """Each new publisher makes one more `joined`, with its session."""
    async with subscriber(place) as events:
        stream = aiter(events)
        for session in ("one", "two"):
            async with publisher(place, session) as hub:
                assert await anext(stream) == Event(topic="joined", subject=session)
                hub.publish(Event(topic="log"))
                assert (await anext(stream)).topic == "log"


async def test_publishing_to_nobody_is_no_error(place: Place) -> None:
    """Without a subscriber, and when closed, events are dropped."""
    hub = publisher(place)
    hub.publish(Event(topic="log"))
    async with hub:
        hub.publish(Event(topic="log"))
    hub.publish(Event(topic="log"))


async def test_an_address_is_published_at_once_only(place: Place) -> None:
    """A second publisher at the address is refused."""
    async with publisher(place):
        with pytest.raises(AddressTaken):
            async with publisher(place):
                pass


async def test_tcp_is_refused() -> None:
    """Over ZeroMQ only ipc is served."""
    with pytest.raises(AddressInvalid):
        async with EventPublisher("tcp://127.0.0.1:1"):
            pass
    with pytest.raises(AddressInvalid):
        async with Subscriber("tcp://127.0.0.1:1"):
            pass


async def test_what_is_no_event_is_logged_and_passed_over(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Garbage on the socket does not end the stream."""
    good = Event(topic="log", subject="good")
    async with place.transport.fanout(place.address) as fanout, subscriber(place, "log") as events:
        while not (await fanout.subscribed()).startswith(b"~"):
            pass
        with caplog.at_level(logging.WARNING):
            fanout.send(b"log", b"garbage")
            fanout.send(b"log", encode(Envelope(id="1", session="s", kind="ping")))
            fanout.send(b"log", encode(Envelope(id="1", session="s", kind="event", body={"topic": "dance"})))
            fanout.send(b"log", encode(Envelope(id="1", session="s", kind="event", body=good.model_dump())))
            assert await anext(aiter(events)) == good
    assert [record.message for record in caplog.records] == ["unreadable event"] * 3


async def test_a_closed_subscriber_yields_nothing(place: Place) -> None:
    """Iterating outside the context ends at once."""
    async with asyncio.timeout(100):
        assert [event async for event in subscriber(place)] == []
