"""Time and recall of the tool search on the recorded tools of real servers. `python -m bench.tool_search`."""

from __future__ import annotations

import sqlite3
import statistics
import time
from itertools import islice

from sidecar.routing.search import Entry, ToolIndex
from sidecar.routing.stems import words
from tests.search.recall import Find, entries, hub_search, queries, recall, recorded

ROUNDS = 20


def fts5() -> Find:
    """SQLite's full-text search with its Porter stemmer, names split and weighted."""
    base = sqlite3.connect(":memory:")
    base.execute("create virtual table tool using fts5(name, description, parameters, tokenize='porter')")
    found = entries(recorded())
    for each in found:
        properties = each.item.get("inputSchema", {}).get("properties", {})
        parameters = " ".join(f"{name} {value.get('description', '')}" for name, value in properties.items())
        name = " ".join(words(f"{each.namespace} {each.name}"))
        base.execute("insert into tool values (?, ?, ?)", (name, each.item.get("description", ""), parameters))

    def find(text: str, limit: int) -> list[str]:
        wanted = " OR ".join(f'"{word}"' for word in words(text))
        rows = base.execute(
            "select rowid from tool where tool match ? order by bm25(tool, 4, 1, .5) limit ?", (wanted, limit)
        )
        return [f"{found[row - 1].server}/{found[row - 1].name}" for (row,) in rows]

    return find


def milliseconds(find: Find) -> float:
    """The median time of a query."""
    times = []
    for _ in range(ROUNDS):
        for query in queries():
            for form in ("sentence", "keywords"):
                before = time.perf_counter()
                find(query[form], 8)
                times.append(time.perf_counter() - before)
    return statistics.median(times) * 1000


def main() -> None:
    """Print a table: recall@8 with keywords and sentences, and p50; then p50 at 1,000 tools."""
    for name, find in (("BM25F (the hub)", hub_search(recorded())), ("SQLite FTS5", fts5())):
        kept = [f"{recall(find, form, 8):.2f}" for form in ("keywords", "sentence")]
        print(f"| {name} | {' | '.join(kept)} | {milliseconds(find):.2f} ms |")
    thousand: list[Entry] = list(islice(entries(recorded()) * 2, 1000))
    began = time.perf_counter()
    index = ToolIndex(thousand)
    print(f"1,000 tools: index in {time.perf_counter() - began:.2f} s")
    taken = milliseconds(lambda text, limit: [each.entry.name for each in index.find(text, limit)])
    print(f"1,000 tools: p50 {taken:.2f} ms")


if __name__ == "__main__":
    main()
