"""The search for tools: what is found, in which order, and what it may cost."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from sidecar.routing.search import MAX_PARAMETERS, MAX_RESULTS, Entry, ToolIndex


def entry(server: str, name: str, description: str = "", **properties: Any) -> Entry:
    """A tool of a server whose namespace is its key."""
    item: dict[str, Any] = {"name": f"{server}_{name}", "description": description}
    item["inputSchema"] = {"type": "object", "properties": properties}
    return Entry(item, server, server, name)


def found(index: ToolIndex, text: str, **options: Any) -> list[str]:
    """The exposed names of what is found."""
    return [each.entry.item["name"] for each in index.find(text, **options)]


FILES = ToolIndex(
    [
        entry("disk", "readFile", "Returns what is in it.", path={"type": "string", "description": "Where it is"}),
        entry("disk", "list_directory", "Lists a directory."),
        entry("mail", "send", "Sends a message.", to={"type": "string", "description": "The recipient's address"}),
        entry("mail", "search", "Finds messages in a folder, and reads files that are attached."),
    ]
)


def test_a_word_in_the_name_comes_first() -> None:
    """Before the same word in a description."""
    assert found(FILES, "read file") == ["disk_readFile", "mail_search"]


def test_other_forms_of_a_word_are_found() -> None:
    """`sending` and `messages` find what sends a message."""
    assert found(FILES, "sending messages")[0] == "mail_send"


def test_parameters_and_their_descriptions_are_searched() -> None:
    """Nested ones too."""
    nested = {"type": "array", "items": {"type": "object", "properties": {"currency": {"description": "ISO 4217"}}}}
    index = ToolIndex([entry("bank", "pay", lines=nested), entry("bank", "balance")])
    assert found(index, "currency") == ["bank_pay"]
    assert found(index, "ISO") == ["bank_pay"]
    assert found(FILES, "recipient") == ["mail_send"]


def test_a_server_can_be_named() -> None:
    """In the query, and as a restriction."""
    assert found(FILES, "mail") == ["mail_send", "mail_search"]
    assert found(FILES, "file", server="mail") == ["mail_search"]
    assert found(FILES, "file", server="nobody") == []


def test_words_that_say_nothing_do_not_count() -> None:
    """Unless there are no others."""
    assert found(FILES, "please give me the directory") == ["disk_list_directory"]
    assert found(FILES, "in") != []


def test_what_nobody_has_is_not_found() -> None:
    """And neither is anything by an empty query, or in a workspace without tools."""
    assert found(FILES, "weather") == found(FILES, "") == found(FILES, "!?") == found(ToolIndex([]), "file") == []


def test_results_are_few_and_in_order() -> None:
    """Equal ones in the order of the view."""
    index = ToolIndex([entry("many", f"tool_{number}", "same words") for number in range(100)])
    assert found(index, "words", limit=1000) == [f"many_tool_{number}" for number in range(MAX_RESULTS)]
    assert found(index, "words", limit=0) == found(index, "words", limit=-1) == []
    scores = [each.score for each in FILES.find("read file")]
    assert scores == sorted(scores, reverse=True) and scores[-1] > 0


def test_what_servers_list_may_be_anything() -> None:
    """Fields of other types, and schemas without end, cost neither an error nor much memory."""
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(1000):
        deep = {"type": "object", "properties": {"inner": deep}}
    wide = {f"field{number}": {"description": "x" * 1000} for number in range(MAX_PARAMETERS * 10)}
    odd = [
        {"name": "a", "description": 5, "title": ["x"], "inputSchema": [], "annotations": "no"},
        {"name": "a", "inputSchema": {"properties": {"p": True, "q": {"items": 3, "properties": []}}}},
        {"name": "a", "inputSchema": deep},
        {"name": "a", "inputSchema": {"properties": wide}},
    ]
    index = ToolIndex(Entry(item, "odd", "odd", f"tool{number}") for number, item in enumerate(odd))
    assert len(index.find("tool")) == 4
    assert index.find("q")[0].entry.name == "tool1"
    assert index.find(f"field{MAX_PARAMETERS * 10 - 1}", server="none") == []


def test_a_search_of_a_thousand_tools_is_fast() -> None:
    """p50 of at most 1 ms is promised; bench/tool_search.py measures it on real tools."""
    index = ToolIndex(
        [entry(f"s{number % 20}", f"get_item_{number}", "Gets an item by its id, or a list.") for number in range(1000)]
    )
    seconds = []
    for number in range(50):
        before = time.process_time()
        index.find(f"get item {number} by id from the list")
        seconds.append(time.process_time() - before)
    assert median(seconds) < 0.02, "twenty times what is promised: machines that test are busy"
