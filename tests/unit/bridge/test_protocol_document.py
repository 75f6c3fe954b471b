"""docs/protocol.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from bridge import client, codec, errors, models, server, sockets
from bridge.models import KINDS, Model, Request
from tests.unit.bridge.test_errors import OURS

DOCUMENT = (Path(__file__).parents[3] / "docs/protocol.md").read_text()
ABSTRACT = (Model, Request)
EXPORTED = [getattr(models, name) for name in models.__all__]
"""Classes, and modules whose classes the package does not name one by one."""
MODELS = {
    model
    for each in EXPORTED
    for model in (vars(each).values() if isinstance(each, ModuleType) else [each])
    if isinstance(model, type) and issubclass(model, Model) and model not in ABSTRACT and "[" not in model.__name__
}


def rows(header: str) -> list[list[str]]:
    """The cells of every table with this header."""
    found = []
    for table in re.findall(rf"^\| {re.escape(header)} \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", DOCUMENT, re.MULTILINE):
        found += [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return found


def row(kind: type[Request[Any]]) -> list[str]:
    yes = "yes" if kind.repeatable else "no"
    sockets, queue = ", ".join(kind.sockets), kind.queue or "-"
    return [kind.kind, sockets, kind.__name__, kind.answer.__name__, queue, yes]


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    """Every kind is there, with its sockets, bodies, queue and repeatability; no other is."""
    documented = rows("kind | sockets | request | answer | queue | repeatable")
    assert documented == [row(kind) for kind in KINDS.values()]


@pytest.mark.parametrize(
    "model", [*sorted(MODELS, key=lambda m: m.__name__), errors.ErrorBody], ids=lambda m: m.__name__
)
def test_every_body_is_documented_with_its_fields(model: type[BaseModel]) -> None:
    """Names of fields, in order, and which may be left out."""
    documented = dict(rows("body | fields"))
    fields = [f"`{name}`" + ("" if field.is_required() else "?") for name, field in model.model_fields.items()]
    assert documented[model.__name__].replace("`", "") == (", ".join(fields) or "none").replace("`", "")


def test_no_body_is_documented_that_does_not_exist() -> None:
    """What was removed from the code is removed from the document."""
    assert {name for name, _ in rows("body | fields")} == {m.__name__ for m in MODELS} | {"ErrorBody"}


def test_the_envelope_is_documented() -> None:
    """Its members, in order."""
    assert [name for name, *_ in rows("member | type | meaning")] == list(codec.Envelope.model_fields)
    assert f"version {codec.PROTOCOL_VERSION}\n" in DOCUMENT


def test_every_code_of_the_bridge_is_documented() -> None:
    """What a request over the bridge can fail with."""
    ours = {e.code for e in OURS if e.code.startswith(("BRIDGE_", "SNAPSHOT_", "RUNTIME_"))} - {"BRIDGE_REMOTE"}
    assert {code for code, _ in rows("code | when")} == ours


@pytest.mark.parametrize(
    "number",
    [codec.MAX_BYTES, client.MAX_PENDING, server.MAX_INFLIGHT, sockets.HIGH_WATER_MARK, sockets.RECONNECT_MAX_MS],
)
def test_the_limits_are_those_of_the_code(number: int) -> None:
    """Each limit's number is in the document."""
    assert re.search(rf"\b{number:,}\b", DOCUMENT)
