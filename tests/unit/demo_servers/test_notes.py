"""The demo server of notes."""

from __future__ import annotations

from demo_servers import notes
from tests.unit.demo_servers.peer import Peer, connected


def titles(peer: Peer, **query: object) -> list[str]:
    """Titles of what a search finds."""
    return [note["title"] for note in peer.call("search_notes", query=query)["structuredContent"]["notes"]]


def test_a_note_is_written_found_read_changed_and_deleted() -> None:
    """The life of a note, as tools and as a resource."""
    with connected(notes.build()) as peer:
        note = peer.call("add_note", title="Milk", text="Two litres", tags=["shop"])["structuredContent"]
        assert peer.notes.pop()["method"] == "notifications/resources/list_changed"
        assert [item["uri"] for item in peer.ask("resources/list")["resources"]] == ["note://1", note["uri"]]
        assert peer.ask("resources/read", {"uri": note["uri"]})["contents"][0]["text"] == "Milk #shop\n\nTwo litres"
        peer.ask("resources/subscribe", {"uri": note["uri"]})
        peer.call("change_note", id=note["id"], text="Three litres")
        assert peer.notes.pop()["params"] == {"uri": note["uri"]}
        assert len(peer.call("list_notes")["structuredContent"]["notes"]) == 2
        peer.call("delete_note", id=note["id"])
        assert peer.fail("resources/read", {"uri": note["uri"]})["code"] == -32002
        assert "no note" in peer.call("delete_note", id=note["id"])["content"][0]["text"]


def test_search_joins_conditions() -> None:
    """Word, tag, all and any; what is no condition is told to the model."""
    with connected(notes.build()) as peer:
        peer.call("add_note", title="Milk", text="Two litres", tags=["shop"])
        peer.call("add_note", title="Bread", text="One", tags=["shop"])
        assert titles(peer, word="LITRES") == ["Milk"]
        assert titles(peer, tag="shop") == ["Milk", "Bread"]
        assert titles(peer, all=[{"tag": "shop"}, {"any": [{"word": "bread"}, {"word": "wine"}]}]) == ["Bread"]
        for wrong in ({"colour": "red"}, "word", {"all": 3}, 7):
            assert peer.call("search_notes", query=wrong)["isError"]


def test_prompt_and_completions_know_the_notes() -> None:
    """The summary holds the notes of the tag; tags and ids complete."""
    with connected(notes.build()) as peer:
        prompt = peer.ask("prompts/get", {"name": "summarize_notes", "arguments": {"tag": "demo"}})
        assert "Welcome #demo" in prompt["messages"][0]["content"]["text"]
        prompt = peer.ask("prompts/get", {"name": "summarize_notes", "arguments": {"tag": "none"}})
        assert "(no notes)" in prompt["messages"][0]["content"]["text"]
        for ref, name, values in (
            ({"type": "ref/prompt", "name": "summarize_notes"}, "tag", ["demo"]),
            ({"type": "ref/resource", "uri": "note://{id}"}, "id", ["1"]),
        ):
            params = {"ref": ref, "argument": {"name": name, "value": ""}}
            assert peer.ask("completion/complete", params)["completion"]["values"] == values


def test_memory_is_bounded() -> None:
    """Neither one note nor all of them grow without limit."""
    with connected(notes.build()) as peer:
        assert "at most" in peer.call("add_note", title="x", text="x" * 20_001)["content"][0]["text"]
        for _ in range(notes.MOST - 1):
            peer.call("add_note", title="x", text="x")
        assert "already" in peer.call("add_note", title="x", text="x")["content"][0]["text"]
