"""The JSON Schema of what the hub reads of an entry: docs/catalog-entry.schema.json, which `make generate` writes.

Run as `python -m yamcp_ui_adapter.catalog.schema` in a checkout.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from yamcp_ui_adapter.catalog.server_json import ServerJson

FILE = Path(__file__).resolve().parents[2] / "docs/catalog-entry.schema.json"
_PRIVATE = re.compile(r'(?<=["/])_(?=[A-Z])')


def schema() -> dict[str, Any]:
    """The schema, without the titles that repeat the fields' names."""
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Entry of the catalogue of yamcp-hub",
        **_untitled(ServerJson.model_json_schema(by_alias=True)),
    }
    return dict(json.loads(_PRIVATE.sub("", json.dumps(found))))


def text() -> str:
    """The content of the file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _untitled(part: Any) -> Any:
    if isinstance(part, list):
        return [_untitled(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {key: _untitled(each) for key, each in part.items() if key != "title" or not isinstance(each, str)}


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
