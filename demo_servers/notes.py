"""Demo server: short notes, kept in memory (all are lost when it restarts). Run as a program: `python notes.py`.

Shows tools with nested schemas, resources with a template, subscriptions, prompts and completions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo_servers.toolkit.catalogue import uri_part
from demo_servers.toolkit.session import Call
from demo_servers.toolkit.stdio_server import Server
from demo_servers.toolkit.wire import Json, ToolError

MOST = 1000
LONGEST = 20_000

TAGS: Json = {"type": "array", "items": {"type": "string"}, "description": "Words to find it by", "default": []}
NOTE: Json = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "uri": {"type": "string"},
        "title": {"type": "string"},
        "text": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["id", "uri", "title", "text", "tags"],
}
NOTES: Json = {
    "type": "object",
    "properties": {"notes": {"type": "array", "items": {"$ref": "#/$defs/note"}}},
    "required": ["notes"],
    "$defs": {"note": NOTE},
}
SEARCH: Json = {
    "type": "object",
    "properties": {
        "query": {"$ref": "#/$defs/condition", "description": "What a note must fulfil"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    },
    "required": ["query"],
    "$defs": {
        "condition": {
            "description": "A word, or a tag, or conditions joined by all (and) or any (or)",
            "oneOf": [
                {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
                {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]},
                {"type": "object", "properties": {"all": {"$ref": "#/$defs/conditions"}}, "required": ["all"]},
                {"type": "object", "properties": {"any": {"$ref": "#/$defs/conditions"}}, "required": ["any"]},
            ],
        },
        "conditions": {"type": "array", "items": {"$ref": "#/$defs/condition"}},
    },
}
BY_ID: Json = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
READ_ONLY = {"readOnlyHint": True, "openWorldHint": False}


class Notebook:
    """The notes, and what is told of them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.notes: dict[str, Json] = {}
        self._last = 0

    def add(self, title: str, text: str, tags: list[str]) -> Json:
        """A new note, offered as a resource."""
        if len(self.notes) >= MOST:
            raise ToolError(f"There are {MOST} notes already: delete some first")
        _check(text)
        self._last += 1
        key = str(self._last)
        note: Json = {"id": key, "uri": f"note://{uri_part(key)}", "title": title, "text": text, "tags": tags}
        self.notes[key] = note
        self._offer(note)
        return note

    def change(self, key: str, text: str) -> Json:
        """Another text for a note."""
        note = self.get(key)
        _check(text)
        note["text"] = text
        self.server.updated(note["uri"])
        return note

    def delete(self, key: str) -> Json:
        """Remove a note."""
        note = self.get(key)
        del self.notes[key], self.server.resources[note["uri"]]
        self.server.changed("resources")
        return note

    def get(self, key: str) -> Json:
        """The note of this id; raises ToolError when there is none."""
        if key not in self.notes:
            raise ToolError(f"There is no note {key}; list_notes shows all ids")
        return self.notes[key]

    def tags(self) -> list[str]:
        """All tags in use."""
        return sorted({tag for note in self.notes.values() for tag in note["tags"]})

    def _offer(self, note: Json) -> None:
        self.server.resource(note["uri"], note["title"], self.read, description="A note")
        self.server.changed("resources")

    def read(self, uri: str, values: dict[str, str] | None = None) -> str:
        """A note as text; raises KeyError when there is none."""
        note = self.notes[uri.removeprefix("note://")]
        tags = "".join(f" #{tag}" for tag in note["tags"])
        return f"{note['title']}{tags}\n\n{note['text']}"


def _check(text: str) -> None:
    if len(text) > LONGEST:
        raise ToolError(f"A note has at most {LONGEST} characters")


def fulfils(note: Json, condition: object) -> bool:
    """Whether a note fulfils a condition of search_notes; raises ToolError for one of no known kind."""
    match condition:
        case {"word": str(word)}:
            return word.lower() in f"{note['title']} {note['text']}".lower()
        case {"tag": str(tag)}:
            return tag in note["tags"]
        case {"all": [*parts]}:
            return all(fulfils(note, part) for part in parts)
        case {"any": [*parts]}:
            return any(fulfils(note, part) for part in parts)
    raise ToolError('A condition is {"word": …}, {"tag": …}, {"all": […]} or {"any": […]}')


def build(era: str = "both") -> Server:
    """The server with one note in it."""
    server = Server(
        "notes", instructions="Short notes, kept in memory: all are lost when the server restarts.", era=era
    )
    notebook = Notebook(server)
    notebook.add("Welcome", "These notes live in memory only. Add your own with add_note.", ["demo"])
    _add_tools(server, notebook)
    _add_prompts(server, notebook)
    server.template(
        "note://{id}",
        "note",
        notebook.read,
        complete=lambda argument, typed, others: [key for key in notebook.notes if key.startswith(typed)],
        description="A note by its id",
    )
    return server


def _add_tools(server: Server, notebook: Notebook) -> None:
    properties = {"title": {"type": "string"}, "text": {"type": "string"}, "tags": TAGS}

    @server.tool(
        "Write a note (kept in memory until the server restarts)",
        {"type": "object", "properties": properties, "required": ["title", "text"]},
        output=NOTE,
    )
    def add_note(call: Call) -> Json:
        tags = [str(tag) for tag in call.args.get("tags", [])]
        return notebook.add(call.args["title"], call.args["text"], tags)

    @server.tool("All notes, oldest first", output=NOTES, annotations=READ_ONLY)
    def list_notes(call: Call) -> Json:
        return {"notes": list(notebook.notes.values())}

    @server.tool("The notes that fulfil a condition", SEARCH, output=NOTES, annotations=READ_ONLY)
    def search_notes(call: Call) -> Json:
        found = [note for note in notebook.notes.values() if fulfils(note, call.args["query"])]
        return {"notes": found[: call.args.get("limit", 20)]}

    change = {"type": "object", "properties": {**BY_ID["properties"], "text": {"type": "string"}}}

    @server.tool("Give a note another text", {**change, "required": ["id", "text"]}, output=NOTE)
    def change_note(call: Call) -> Json:
        return notebook.change(call.args["id"], call.args["text"])

    @server.tool("Delete a note", BY_ID, output=NOTE, annotations={"destructiveHint": True})
    def delete_note(call: Call) -> Json:
        return notebook.delete(call.args["id"])


def _add_prompts(server: Server, notebook: Notebook) -> None:
    def summarize(args: dict[str, str]) -> str:
        tag = args.get("tag")
        chosen = [note for note in notebook.notes.values() if not tag or tag in note["tags"]]
        body = "\n\n".join(notebook.read(note["uri"]) for note in chosen) or "(no notes)"
        return f"Summarize these notes in three sentences:\n\n{body}"

    server.prompt(
        "summarize_notes",
        "Have the notes summarized, all or those of one tag",
        summarize,
        [{"name": "tag", "description": "Only notes with this tag", "required": False}],
        lambda argument, typed, others: [tag for tag in notebook.tags() if tag.startswith(typed)],
    )


def main() -> None:
    """Serve on stdin and stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--era", choices=("legacy", "modern", "both"), default="both")
    build(parser.parse_args().era).run()


if __name__ == "__main__":
    main()
