"""docs/clients.md: the programs, configurations and tables that are in it, and where they come from.

A line `<!-- KIND: ARGUMENT -->` begins a part, `<!-- end -->` ends it. What lies between is written by

    python -m tests.matrix.document          (programs and configurations)
    make matrix WRITE=1                      (these, what worked, and the versions with which it did)
"""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from collections.abc import Collection, Iterable
from typing import Any

from tests.matrix.clients import CLIENTS, PROGRAMS
from tests.support.yamcp import ROOT

DOCUMENT = ROOT / "docs/clients.md"
PART = re.compile(r"<!-- (program|configuration|versions|results)(?:: ([^>]+))? -->\n(.*?)<!-- end -->\n", re.DOTALL)
LANGUAGES = {".py": "python", ".mjs": "js", ".sh": "sh"}
ENDPOINT = {
    "slug": "demo",
    "http_url": "http://127.0.0.1:8765/mcp/demo",
    "sse_url": "http://127.0.0.1:8765/mcp/demo/sse",
}
SNIPPETS = ROOT / "front/console/data/snippets.mjs"


def configuration(client: str, *, token: bool = False) -> str:
    """The configuration file of a client as the console shows it for the demo workspace."""
    script = (
        f"import {{ snippets }} from {json.dumps(SNIPPETS.as_uri())};"
        f"console.log(JSON.stringify(snippets({json.dumps(ENDPOINT)}, {{ token: {json.dumps(token)} }})))"
    )
    node = ["node", "--input-type=module", "--eval", script]
    shown: list[dict[str, Any]] = json.loads(subprocess.run(node, check=True, capture_output=True, timeout=100).stdout)
    text: str = next(snippet["text"] for snippet in shown if snippet["id"] == client)
    return text


def part(kind: str, argument: str, old: str) -> str:
    """What a part holds as of now; results stay as they were measured."""
    if kind == "program":
        source = PROGRAMS / argument
        return _block(LANGUAGES[source.suffix], source.read_text("utf-8"))
    if kind == "configuration":
        client, _, token = argument.partition(" ")
        return _block("json", configuration(client, token=token == "token"))
    if kind == "versions":
        return "\n".join(_versions()) + "\n"
    return old


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


def _versions() -> Iterable[str]:
    yield "| client | tested with |"
    yield "|---|---|"
    for client in CLIENTS:
        packages = ", ".join(f"{package} {version}" for package, version in client.versions.items())
        yield f"| {client.title} | {packages} |"


def written(text: str, kinds: Collection[str] = ("program", "configuration", "versions")) -> str:
    """The document with every part of these kinds as it should be."""

    def framed(match: re.Match[str]) -> str:
        return _framed(match, part(match[1], match[2] or "", match[3])) if match[1] in kinds else match[0]

    return PART.sub(framed, text)


def with_results(text: str, rows: Iterable[str]) -> str:
    """The document with a table of what worked just now."""
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True, timeout=100).stdout.strip()
    said = f"{datetime.date.today():%Y-%m-%d}, Node {node.removeprefix('v')}:"
    table = "\n".join((said, "", *rows)) + "\n"
    return PART.sub(lambda match: _framed(match, table) if match[1] == "results" else match[0], text)


def _framed(match: re.Match[str], content: str) -> str:
    head, line, _ = match[0].partition("\n")
    return f"{head}{line}{content}<!-- end -->\n"


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8"), ("program", "configuration")), "utf-8")
