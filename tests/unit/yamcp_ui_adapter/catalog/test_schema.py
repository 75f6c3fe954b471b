"""The published schema of entries, and how checks are noted in shipped.json."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.catalog.checking import Outcome, changed, with_outcomes, without_keys
from tests.unit.yamcp_ui_adapter.catalog.test_catalog import NOTES, SHIPPED
from yamcp_ui_adapter.activation.target import META
from yamcp_ui_adapter.catalog.errors import EntryInvalid
from yamcp_ui_adapter.catalog.schema import FILE, text
from yamcp_ui_adapter.catalog.server_json import check

CHECKED = without_keys(SHIPPED)
SCHEMA = jsonschema.Draft202012Validator(json.loads(FILE.read_text("utf-8")))


def test_the_published_schema_is_that_of_the_model() -> None:
    """`make generate` writes it."""
    assert FILE.read_text("utf-8") == text()
    SCHEMA.check_schema(SCHEMA.schema)


def test_shipped_entries_and_the_documented_own_entry_are_valid() -> None:
    for each in (*SHIPPED, NOTES):
        SCHEMA.validate(each)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "no namespace"}, {"version": 3}, {"packages": {}}, {"remotes": [{"type": "carrier pigeon"}]},
        {"_meta": {META: {"works_without_keys": "perhaps"}}}, {"_meta": {META: {"checked": {"tools": "many"}}}},
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_hub_refuses(change: dict[str, Any]) -> None:
    assert not SCHEMA.is_valid({**NOTES, **change})
    with pytest.raises(EntryInvalid):
        check({**NOTES, **change})


def test_every_entry_without_keys_says_when_it_was_started_and_what_it_listed() -> None:
    """`make catalog-check WRITE=1` writes it."""
    for each in CHECKED:
        checked = each["_meta"][META]["checked"]
        assert min(checked["started"], checked["registry"]) >= "2026-11-28" and checked["tools"] > 0, each["name"]


def test_what_was_found_is_noted() -> None:
    """What did not start is not `started` any more, and what was not checked stays as it is."""
    names = [each["name"] for each in CHECKED[:3]]
    outcomes = [Outcome(names[0], "1", 5), Outcome(names[1], "1", error="ended")]
    document = with_outcomes({"version": "2026.1.1", "servers": CHECKED[:3]}, outcomes, "2026-12-24")
    one, two, three = (each["_meta"][META]["checked"] for each in document["servers"])
    assert document["version"] == "2026.12.24"
    assert one == {"registry": "2026-12-24", "started": "2026-12-24", "tools": 5}
    assert "started" not in two and "tools" not in two and two["registry"]
    assert three == CHECKED[2]["_meta"][META]["checked"]
    assert [changed(CHECKED[index], outcomes[index]) for index in (0, 1)] == ["14 tools before", "ended"]
