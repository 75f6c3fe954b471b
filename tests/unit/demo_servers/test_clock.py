"""The demo server of times."""

from __future__ import annotations

from datetime import datetime

import pytest

from demo_servers import clock
from tests.unit.demo_servers.peer import connected


def test_now_is_in_the_zone() -> None:
    """UTC unless a zone is named; an unknown one is told with examples."""
    with connected(clock.build()) as peer:
        now = peer.call("now")["structuredContent"]
        assert (now["timezone"], now["utc_offset_minutes"]) == ("UTC", 0)
        tokyo = peer.call("now", timezone="Asia/Tokyo")["structuredContent"]
        assert tokyo["utc_offset_minutes"] == 540
        assert abs((datetime.fromisoformat(tokyo["time"]) - datetime.fromisoformat(now["time"])).total_seconds()) < 60
        for wrong in ("Moon/Base", "", "../etc/passwd"):
            assert "Europe/Paris" in peer.call("now", timezone=wrong)["content"][0]["text"]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-15T12:00", "2026-01-15T06:00:00-05:00"),
        ("2026-07-15T12:00", "2026-07-15T06:00:00-04:00"),
        ("2026-07-15T12:00+00:00", "2026-07-15T08:00:00-04:00"),
    ],
)
def test_convert_minds_summer_time(time: str, expected: str) -> None:
    """A time in Paris as New York's clocks show it; an offset of its own wins."""
    with connected(clock.build()) as peer:
        arguments = {"time": time, "from_timezone": "Europe/Paris", "to_timezones": ["America/New_York"]}
        assert peer.call("convert", **arguments)["structuredContent"]["times"][0]["time"] == expected


def test_a_bare_time_is_todays() -> None:
    """09:30 is taken as today; nonsense is told."""
    with connected(clock.build()) as peer:
        found = peer.call("convert", time="09:30", to_timezones=["UTC"])["structuredContent"]["times"][0]
        assert found["time"].endswith("T09:30:00+00:00")
        assert peer.call("convert", time="tea time", to_timezones=["UTC"])["isError"]


def test_countdown_tells_progress_and_can_be_cancelled() -> None:
    """Progress rises to the total; a cancelled countdown ends at once; too long a one is refused."""
    with connected(clock.build()) as peer:
        params = {"name": "countdown", "arguments": {"seconds": 0.02}, "_meta": {"progressToken": 1}}
        assert peer.ask("tools/call", params)["content"][0]["text"] == "0.02 seconds have passed"
        told = [note["params"]["progress"] for note in peer.notes]
        assert told == sorted(told)
        assert told[-1] == 0.02
        long = peer.start("tools/call", {"name": "countdown", "arguments": {"seconds": 60}})
        peer.notify("notifications/cancelled", {"requestId": long})
        assert peer.call("countdown", seconds=99_999)["isError"]
        assert peer.call("countdown", seconds=0)["content"][0]["text"] == "0 seconds have passed"


def test_resources_and_completions() -> None:
    """The time as a resource, for one zone or another; zones complete by any part of their name."""
    with connected(clock.build()) as peer:
        assert "UTC" in peer.ask("resources/read", {"uri": "clock://now"})["contents"][0]["text"]
        tokyo = peer.ask("resources/read", {"uri": "clock://now/Asia%2FTokyo"})["contents"][0]["text"]
        assert "+09:00 Asia/Tokyo" in tokyo
        assert peer.fail("resources/read", {"uri": "clock://now/Moon"})["code"] == -32002
        ref = {"type": "ref/resource", "uri": "clock://now/{timezone}"}
        params = {"ref": ref, "argument": {"name": "timezone", "value": "tokyo"}}
        assert peer.ask("completion/complete", params)["completion"]["values"] == ["Asia/Tokyo"]
