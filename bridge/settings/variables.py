"""variables.json: values to which definitions of servers refer as `${NAME}`. The adapter writes the file, the sidecar
follows it; it comes before the hub's environment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

VARIABLES_FILE = "variables.json"
"""In HUB_DATA_DIR."""
MAX_VARIABLES = 1000
MAX_NAME = 128
MAX_VALUE_BYTES = 64 * 1024
"""UTF-8 bytes of one value."""
MAX_FILE_BYTES = 8 * 1024 * 1024
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_variables(raw: bytes) -> dict[str, str]:
    """Return the variables in the content of the file.

    Raises:
        ValueError: it is not an object of valid names and texts. The message has no value.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
    try:
        content: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON in UTF-8") from None
    if not isinstance(content, dict):
        raise ValueError("it is not an object")  # noqa: TRY004  # of a file, not of a caller
    for name, value in content.items():
        if fault := fault_of(name, value):
            raise ValueError(f"{name[:MAX_NAME]!r}: {fault}")
    if len(content) > MAX_VARIABLES:
        raise ValueError(f"it has more than {MAX_VARIABLES} variables")
    return content


def fault_of(name: str, value: object) -> str:
    """Return why a variable is not valid; empty if it is. The text has no value."""
    if len(name) > MAX_NAME or not VARIABLE_NAME.fullmatch(name):
        return "its name is not of letters, digits and `_`, or is too long"
    if not isinstance(value, str) or not value:
        return "its value is not a text, or is empty"
    if "\0" in value or any(0xD800 <= ord(each) < 0xE000 for each in value):
        return "its value has a NUL or half a character"
    if len(value.encode()) > MAX_VALUE_BYTES:
        return f"its value is longer than {MAX_VALUE_BYTES} bytes"
    return ""


def dump_variables(variables: Mapping[str, str]) -> bytes:
    """Return the content of the file for these variables."""
    return (json.dumps(dict(sorted(variables.items())), indent=2, ensure_ascii=False) + "\n").encode()
