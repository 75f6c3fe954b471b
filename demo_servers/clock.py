"""Demo server: the time, here and elsewhere, and countdowns. Run as a program: `python clock.py`.

Shows structured results, slow calls with progress and cancellation, a resource and a template, completions.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo_servers.toolkit.catalogue import uri_part
from demo_servers.toolkit.session import Call
from demo_servers.toolkit.stdio_server import Server
from demo_servers.toolkit.wire import Json, ToolError

LONGEST = 3600
READ_ONLY = {"readOnlyHint": True, "openWorldHint": False}

ZONE: Json = {"type": "string", "description": "IANA name, such as Europe/Paris", "default": "UTC"}
TIME: Json = {
    "type": "object",
    "properties": {
        "time": {"type": "string", "description": "ISO 8601"},
        "timezone": {"type": "string"},
        "weekday": {"type": "string"},
        "utc_offset_minutes": {"type": "integer"},
    },
    "required": ["time", "timezone", "weekday", "utc_offset_minutes"],
}
CONVERT: Json = {
    "type": "object",
    "properties": {
        "time": {"type": "string", "description": "ISO 8601, such as 2026-11-21T09:30; today when only 09:30"},
        "from_timezone": ZONE,
        "to_timezones": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
    "required": ["time", "to_timezones"],
}
TIMES: Json = {
    "type": "object",
    "properties": {"times": {"type": "array", "items": {"$ref": "#/$defs/time"}}},
    "required": ["times"],
    "$defs": {"time": TIME},
}
SECONDS: Json = {"type": "number", "minimum": 0, "maximum": LONGEST, "description": f"At most {LONGEST}"}


def zone(name: str) -> tzinfo:
    """The zone of this name; raises ToolError when there is none."""
    if name == "UTC":
        return UTC  # also where the machine has no time zone data
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ToolError(f"There is no time zone {name!r}; examples are UTC, Europe/Paris, Asia/Tokyo") from None


def describe(moment: datetime, name: str) -> Json:
    """A moment as the tools answer it."""
    offset = moment.utcoffset() or timedelta()
    return {
        "time": moment.isoformat(timespec="seconds"),
        "timezone": name,
        "weekday": moment.strftime("%A"),
        "utc_offset_minutes": int(offset.total_seconds() // 60),
    }


def now_in(name: str) -> Json:
    """The time now in a zone."""
    return describe(datetime.now(zone(name)), name)


def moment(text: str, name: str) -> datetime:
    """What `convert` was given, as a moment; a time without a date is today's, one with an offset keeps it."""
    home = zone(name)
    try:
        if "T" not in text and "-" not in text:
            text = f"{datetime.now(home).date()}T{text}"
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ToolError(f"{text!r} is not a time such as 2026-11-21T09:30 or 09:30") from None
    return found if found.tzinfo else found.replace(tzinfo=home)


def count_down(call: Call) -> str:
    """Wait, telling progress every second, or every tenth of a short time."""
    total = float(call.args["seconds"])
    if not 0 <= total <= LONGEST:
        raise ToolError(f"seconds must be from 0 to {LONGEST}")
    steps = max(10, int(total))
    for step in range(steps):
        left = total * (1 - step / steps)
        call.progress(total - left, total, f"{left:.1f} s left")
        call.sleep(total / steps)
    call.progress(total, total, "done")
    return f"{total:g} seconds have passed"


def build(era: str = "both") -> Server:
    """The server."""
    server = Server("clock", instructions="The time in any time zone, conversions and countdowns.", era=era)
    _add_tools(server)
    server.resource("clock://now", "now", lambda uri: _text(now_in("UTC")), description="The time now, in UTC")
    server.template(
        "clock://now/{timezone}",
        "now_in",
        lambda uri, values: _read(values["timezone"]),
        complete=_complete,
        description=f"The time now in a zone, such as clock://now/{uri_part('Europe/Paris')}",
    )
    return server


def _text(time: Json) -> str:
    return f"{time['time']} {time['timezone']} ({time['weekday']})"


def _read(name: str) -> str:
    try:
        return _text(now_in(name))
    except ToolError as error:
        raise LookupError(str(error)) from None


def _complete(argument: str, typed: str, others: dict[str, str]) -> list[str]:
    return sorted(name for name in available_timezones() if typed.lower() in name.lower())


def _add_tools(server: Server) -> None:
    @server.tool(
        "The time now",
        {"type": "object", "properties": {"timezone": ZONE}},
        output=TIME,
        annotations=READ_ONLY,
    )
    def now(call: Call) -> Json:
        return now_in(call.args.get("timezone", "UTC"))

    @server.tool("A time as clocks in other zones show it", CONVERT, output=TIMES, annotations=READ_ONLY)
    def convert(call: Call) -> Json:
        start = moment(call.args["time"], call.args.get("from_timezone", "UTC"))
        names = [str(name) for name in call.args["to_timezones"]]
        return {"times": [describe(start.astimezone(zone(name)), name) for name in names]}

    @server.tool(
        "Wait so many seconds, telling progress; can be cancelled",
        {"type": "object", "properties": {"seconds": SECONDS}, "required": ["seconds"]},
        slow=True,
        annotations=READ_ONLY,
    )
    def countdown(call: Call) -> str:
        return count_down(call)


def main() -> None:
    """Serve on stdin and stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--era", choices=("legacy", "modern", "both"), default="both")
    build(parser.parse_args().era).run()


if __name__ == "__main__":
    main()
