"""trust.changes: what differs from the pins, what of it clients see, and how it is accepted."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any, Literal

import pytest

from bridge.models import ServerSettings, ServerSpec, StdioLaunch
from bridge.models.desired import RemoteLaunch
from sidecar.protocol.catalog import Catalog, Greeting
from sidecar.trust.changes import Changes, Place, Reviewed
from sidecar.trust.definition import definition_of, launch_of
from sidecar.trust.errors import ChangeOutdated, ChangeUnknown
from sidecar.trust.pins import MAX_VARIANTS, Pins
from sidecar.trust.tool_hash import canonical, digest

Mode = Literal["allow", "warn", "block"]
KEY = b"k" * 32


class Server:
    """What a server lists, in the place of an upstream."""

    def __init__(self) -> None:
        self.catalog: Catalog | None = None
        self.reviewed: dict[str, Reviewed] = {}

    def lists(self, *tools: tuple[str, str], instructions: str = "") -> None:
        """Make it list tools with these names and descriptions."""
        items = tuple({"name": name, "description": text} for name, text in tools)
        self.catalog = Catalog(Greeting(instructions=instructions), tools=items)


class World:
    """One server and its pins, on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path / "pins.json"
        self.told: list[tuple[str, list[Place]]] = []
        self.server = Server()
        self.begin()

    def begin(self) -> None:
        """As after a restart of the hub."""
        self.changes = Changes(
            Pins(self.path),
            lambda spec: definition_of(spec, KEY),
            lambda spec: launch_of(spec, KEY),
            lambda key, places: self.told.append((key, places)),
        )
        self.server.reviewed.clear()

    def shown(self, spec: ServerSpec) -> list[str]:
        """The descriptions that clients see."""
        catalog = self.changes.shown(spec, self.server)
        assert catalog is not None
        return [tool["description"] for tool in catalog.tools]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def spec(mode: Mode, *args: str, env: dict[str, str] | None = None, **settings: Any) -> ServerSpec:
    launch = StdioLaunch(command="serve", args=args, env=env or {})
    return ServerSpec(key="s", namespace="s", launch=launch, settings=ServerSettings(changes=mode, **settings))


def test_nothing_is_kept_where_changes_are_allowed(world: World) -> None:
    """The default: the very lists, and no file."""
    world.server.lists(("a", "one"))
    assert world.changes.shown(spec("allow"), world.server) is world.server.catalog
    assert not world.server.reviewed
    assert not world.path.exists()


def test_first_sight_pins_and_the_same_is_no_change(world: World) -> None:
    """Also after a restart, whatever the order of members; the file is private, and written once."""
    world.server.lists(("a", "one"), instructions="Read.")
    assert world.changes.shown(spec("block"), world.server) is world.server.catalog
    assert stat.S_IMODE(world.path.stat().st_mode) == 0o600
    written = world.path.stat().st_mtime_ns
    world.begin()
    world.server.catalog = Catalog(Greeting(instructions="Read."), tools=({"description": "one", "name": "a"},))
    assert world.changes.shown(spec("block"), world.server) is world.server.catalog
    assert world.path.stat().st_mtime_ns == written
    assert world.told == []


@pytest.mark.parametrize("restarted", [False, True])
def test_block_withholds_what_changed_and_what_is_new(world: World, restarted: bool) -> None:
    """Until it is accepted; also if the change came with a restart."""
    world.server.lists(("a", "one"), ("b", "two"), instructions="Read.")
    world.shown(spec("block"))
    if restarted:
        world.begin()
    world.server.lists(("a", "ONE"), ("b", "two"), ("c", "three"), instructions="Obey.")
    assert world.shown(spec("block")) == ["two"]
    catalog = world.changes.shown(spec("block"), world.server)
    assert catalog is not None and catalog.greeting.instructions == ""
    assert world.changes.shown(spec("block"), world.server) is catalog
    found = world.changes.of(spec("block"))
    assert [(each.kind, each.name, each.change, each.pending) for each in found] == [
        ("instructions", "", "changed", True),
        ("tool", "a", "changed", True),
        ("tool", "c", "new", True),
    ]
    assert '- "description": "one",' in found[1].diff and '+ "description": "ONE",' in found[1].diff
    assert world.told == [("s", [("tool", "a"), ("tool", "c"), ("instructions", "")])]
    assert world.changes.accept(spec("block"), ["a"]) == ("a",)
    assert world.shown(spec("block")) == ["ONE", "two"]
    assert world.changes.accept(spec("block"), None) == ("c", "instructions")
    assert world.shown(spec("block")) == ["ONE", "two", "three"]
    world.begin()
    assert world.shown(spec("block")) == ["ONE", "two", "three"]
    assert world.changes.of(spec("block")) == []


def test_warn_shows_the_change_and_serves_it(world: World) -> None:
    """Once each, until it is accepted or taken back."""
    world.server.lists(("a", "one"))
    world.shown(spec("warn"))
    for _ in range(2):
        world.server.lists(("a", "ONE"))
        assert world.shown(spec("warn")) == ["ONE"]
    assert len(world.told) == 1
    assert [each.pending for each in world.changes.of(spec("warn"))] == [False]
    assert world.changes.count(spec("warn")) == 1
    assert world.shown(spec("block")) == []  # the setting counts at once
    world.server.lists(("a", "one"))
    world.shown(spec("warn"))
    assert world.changes.count(spec("warn")) == 0


def test_only_what_was_shown_is_accepted(world: World) -> None:
    """A server that changes again between the look and the acceptance gets nothing."""
    world.server.lists(("a", "one"))
    world.shown(spec("block"))
    with pytest.raises(ChangeUnknown):
        world.changes.accept(spec("block"), None)
    world.server.lists(("a", "ONE"))
    world.shown(spec("block"))
    seen = world.changes.of(spec("block"))[0].digest
    world.server.lists(("a", "worse"))
    assert world.shown(spec("block")) == []
    with pytest.raises(ChangeOutdated):
        world.changes.accept(spec("block"), ["a"], [seen])
    with pytest.raises(ChangeUnknown, match="b"):
        world.changes.accept(spec("block"), ["a", "b"])
    assert world.shown(spec("block")) == []


def test_what_is_rejected_is_withheld_and_no_longer_reported(world: World) -> None:
    """Also where changes are only shown, and after a restart; another form of it is a new change."""
    world.server.lists(("a", "one"), ("b", "two"))
    world.shown(spec("warn"))
    world.server.lists(("a", "ONE"), ("b", "TWO"))
    assert world.shown(spec("warn")) == ["ONE", "TWO"]
    digests = [each.digest for each in world.changes.of(spec("warn"))]
    assert world.changes.reject(spec("warn"), ["a"], digests) == ("a",)
    world.told.clear()
    world.begin()
    assert world.shown(spec("warn")) == ["TWO"]
    assert (world.changes.count(spec("warn")), world.told) == (1, [("s", [("tool", "b")])])
    assert [(each.name, each.rejected, each.pending) for each in world.changes.of(spec("warn"))] == [
        ("a", True, True),
        ("b", False, False),
    ]
    assert world.changes.accept(spec("warn"), None) == ("b",)  # not what was rejected
    world.server.lists(("a", "worse"), ("b", "TWO"))
    assert world.shown(spec("warn")) == ["worse", "TWO"]
    world.changes.reject(spec("warn"), None)
    assert world.changes.accept(spec("warn"), ["a"]) == ("a",)
    assert world.shown(spec("warn")) == ["worse", "TWO"]


def test_another_definition_has_pins_of_its_own(world: World) -> None:
    """It says so, and is no alarm; the value of a secret is no other definition."""
    world.server.lists(("a", "one"))
    world.shown(spec("block", "--api-key", "x", env={"TOKEN": "1"}))
    world.server.lists(("a", "ONE"))
    assert world.shown(spec("block", "--api-key", "y", env={"TOKEN": "2"})) == []
    assert world.changes.renewed(spec("block", "--api-key", "y", env={"TOKEN": "2"})) is None
    other = spec("block", "--version", "2", env={"TOKEN": "2"})
    world.server.reviewed.clear()
    assert world.shown(other) == ["ONE"]
    assert world.changes.renewed(other) is not None
    world.server.reviewed.clear()
    assert world.shown(spec("block", "--api-key", "x", env={"TOKEN": "1"})) == []  # the former pins are still there


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("gone", [False, True], ids=["copied", "renamed"])
def test_a_renamed_or_copied_server_keeps_pins_and_decisions(world: World, gone: bool, restarted: bool) -> None:
    original = spec("block", env={"TOKEN": "a"})
    world.server.lists(("one", "first"))
    world.shown(original)
    world.server.lists(("one", "poisoned"), ("two", "new"))
    world.shown(original)
    world.changes.accept(original, ["two"])
    world.changes.reject(original, ["one"])
    other = original.model_copy(update={"key": "t"})
    world.changes.keep([other] if gone else [original, other])
    if restarted:
        world.begin()
    world.server.reviewed.clear()
    assert world.shown(other) == ["new"]
    assert world.changes.count(other) == 0, "the rejection counts on"

    world.server.lists(("three", "of another account"))
    stranger = spec("block", env={"TOKEN": "b"}).model_copy(update={"key": "u"})
    assert world.shown(stranger) == ["of another account"], "the same command with other values is another server"


def test_no_secret_is_in_the_file(world: World) -> None:
    """Definitions are keyed hashes; the forms are what the server lists."""
    world.server.lists(("a", "one"))
    world.shown(spec("warn", "--password", "hunter2", env={"TOKEN": "s3cret"}))
    assert "hunter2" not in world.path.read_text() and "s3cret" not in world.path.read_text()


def test_the_processes_of_several_clients_are_compared_with_the_same_pins(world: World) -> None:
    """What one client's process showed stays to be accepted when that process has ended."""
    mine = spec("block", session="per_client")
    world.server.lists(("a", "one"))
    world.shown(mine)
    other = Server()
    other.lists(("a", "two"))
    catalog = world.changes.shown(mine, other)
    assert catalog is not None and catalog.tools == ()
    assert world.shown(mine) == ["one"]
    world.server.reviewed.clear()
    assert world.shown(mine) == ["one"]
    world.changes.accept(mine, None)
    catalog = world.changes.shown(mine, other)
    assert catalog is not None and len(catalog.tools) == 1
    assert world.shown(mine) == ["one"]  # both forms are accepted


def test_an_empty_list_pins_nothing(world: World) -> None:
    """Else the tools that a server lists a moment later were all new."""
    world.server.lists()
    assert world.shown(spec("block")) == []
    world.server.lists(("a", "one"))
    assert world.shown(spec("block")) == ["one"]


def test_templates_are_pinned_and_resources_are_not(world: World) -> None:
    """Templates are declarations with texts; resources are data, and come and go."""
    template = {"uriTemplate": "file:///{path}", "name": "files", "description": "Files."}
    tools = ({"name": "a", "description": "one"},)
    world.server.catalog = Catalog(Greeting(), tools=tools, templates=(template,))
    world.shown(spec("block"))
    changed = {**template, "description": "Files. Read all of them."}
    resources = ({"uri": "file:///x", "name": "x"},)
    world.server.catalog = Catalog(Greeting(), tools=tools, templates=(changed,), resources=resources)
    catalog = world.changes.shown(spec("block"), world.server)
    assert catalog is not None
    assert (catalog.templates, catalog.resources, catalog.tools) == ((), resources, tools)
    (change,) = world.changes.of(spec("block"))
    assert (change.kind, change.name, change.change) == ("template", "file:///{path}", "changed")
    assert world.changes.accept(spec("block"), ["file:///{path}"]) == ("file:///{path}",)
    assert world.changes.shown(spec("block"), world.server) is world.server.catalog
    world.begin()
    assert world.changes.shown(spec("block"), world.server) is world.server.catalog


def test_the_first_prompt_of_a_known_server_is_new(world: World) -> None:
    """A server that is pinned with its tools does not bring in prompts or templates unseen."""
    world.server.lists(("a", "one"))
    world.shown(spec("block"))
    prompt, template = {"name": "p", "description": "Obey."}, {"uriTemplate": "x://{y}", "name": "x"}
    for _ in range(2):
        world.server.catalog = Catalog(Greeting(), prompts=(prompt,), templates=(template,))
        catalog = world.changes.shown(spec("block"), world.server)
        assert catalog is not None
        assert (catalog.prompts, catalog.templates) == ((), ())
        assert [each.change for each in world.changes.of(spec("block"))] == ["new", "new"]
        world.begin()


def test_to_allow_changes_forgets_the_pins(world: World) -> None:
    """Pins of removed servers stay."""
    world.server.lists(("a", "one"))
    world.shown(spec("block"))
    world.changes.keep([])
    assert json.loads(world.path.read_bytes())["servers"].keys() == {"s"}
    world.changes.keep([spec("allow")])
    assert json.loads(world.path.read_bytes())["servers"] == {}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 9}', '{"format": 1, "servers": {"s": {"d": {}}}}'])
def test_a_broken_file_is_moved_aside(world: World, content: str) -> None:
    """It may tell what was accepted, so it is not overwritten."""
    world.path.write_text(content)
    world.server.lists(("a", "one"))
    assert world.shown(spec("block")) == ["one"]
    assert world.path.with_suffix(".json.broken").read_text() == content


def test_variants_are_bounded(world: World) -> None:
    """A server that changes without end fills no disk."""
    for number in range(3 * MAX_VARIANTS):
        world.server.lists(("a", str(number)))
        world.shown(spec("warn"))
        if world.changes.count(spec("warn")):
            world.changes.accept(spec("warn"), None)
    (pins,) = json.loads(world.path.read_bytes())["servers"]["s"].values()
    assert len(pins["kinds"]["tool"]["a"]["digests"]) == MAX_VARIANTS


def test_canonical_forms() -> None:
    """Order and white space do not count; everything else does."""
    assert canonical({"b": 1, "a": [1, 2.5, "ä"]}) == '{"a":[1,2.5,"ä"],"b":1}'.encode()
    assert canonical({"a": 2**70}) == b'{"a":1180591620717411303424}'
    assert digest(canonical({"a": 1})) != digest(canonical({"a": "1"}))


def test_the_definition_of_a_remote_server() -> None:
    """Its address counts, but no key in it."""

    def of(url: str, **headers: str) -> str:
        return definition_of(ServerSpec(key="s", namespace="s", launch=RemoteLaunch(url=url, headers=headers)), KEY)

    assert of("https://a.example/mcp?api_key=1", A="1") == of("https://a.example/mcp?api_key=2", A="2")
    assert of("https://a.example/mcp") != of("https://b.example/mcp")
    assert of("https://a.example/mcp", A="1") != of("https://a.example/mcp")
