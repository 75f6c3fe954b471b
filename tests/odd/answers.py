"""Odd answers of servers to a call, each by the name of its habit, and what the caller must get. Standard library only.

As a program it is a stdio server whose tools are these habits: `python -m tests.odd.answers`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

INVALID, TOO_LARGE = "SERVER_ANSWER_INVALID", "SERVER_OUTPUT_TOO_LARGE"
GOOD = {"content": [{"type": "text", "text": "good"}]}
EMPTY: dict[str, Any] = {"content": []}
NO_MESSAGE = "The server gave no message."
DEEP = '{"a":' * 300 + "1" + "}" * 300
NUMBER = "9" * 5000
DUMP = {"port": 3000, "tools": [{"name": "a"}]}

Wanted = dict[str, Any] | str
"""The `result` or `error` that the caller gets, or the code of the hub's error."""


def frame(**members: Any) -> str:
    """A response in the place of whose id the request's is put."""
    return json.dumps({"jsonrpc": "2.0", "id": "ID", **members})


MEMBERS: Mapping[str, tuple[str, Wanted]] = {
    "good": (frame(result=GOOD), GOOD),
    "error_null": (frame(result=GOOD, error=None), GOOD),
    "jsonrpc_missing": (json.dumps({"id": "ID", "result": GOOD}), GOOD),
    "jsonrpc_1": (json.dumps({"id": "ID", "result": GOOD, "error": None}), GOOD),
    "jsonrpc_wrong": (json.dumps({"jsonrpc": "1.0", "id": "ID", "result": GOOD}), INVALID),
    "id_as_text": (frame(result=GOOD).replace('"ID"', '"TEXT ID"'), GOOD),
    "id_last": (json.dumps({"result": GOOD, "jsonrpc": "2.0", "id": "ID"}), GOOD),
    "result_null": (frame(result=None), INVALID),
    "result_text": (frame(result="done"), INVALID),
    "result_number": (frame(result=5), INVALID),
    "result_true": (frame(result=True), INVALID),
    "result_array": (frame(result=[GOOD]), INVALID),
    "neither": (frame(), INVALID),
    "both": (frame(result=GOOD, error={"code": 1, "message": "m"}), INVALID),
    "content_missing": (frame(result={"structuredContent": {"a": 1}}), {"structuredContent": {"a": 1}, **EMPTY}),
    "content_null": (frame(result={"content": None, "isError": None, "_meta": None}), INVALID),
    "content_text": (frame(result={"content": "done"}), INVALID),
    "is_error_text": (frame(result={**GOOD, "isError": "no"}), INVALID),
    "meta_array": (frame(result={**GOOD, "_meta": []}), INVALID),
    "error": (frame(error={"code": 7, "message": "m", "data": [1]}), {"code": 7, "message": "m", "data": [1]}),
    "error_without_message": (frame(error={"code": 7}), {"code": 7, "message": NO_MESSAGE}),
    "error_without_code": (frame(error={"message": "m"}), {"code": -32603, "message": "m"}),
    "error_code_text": (frame(error={"code": "E7", "message": "m"}), {"code": -32603, "message": "m"}),
    "error_empty": (frame(error={}), {"code": -32603, "message": NO_MESSAGE}),
    "error_text": (
        frame(error="boom"),
        {"code": -32603, "message": "The server answered with a malformed error: 'boom'"},
    ),
    "batch": (f"[{frame(result=GOOD)}, 5]", GOOD),
    "nan": (frame(result={**GOOD, "n": "NAN"}).replace('"NAN"', "NaN"), {**GOOD, "n": None}),
    "deep": (frame(result={"x": "X"}).replace('"X"', DEEP), INVALID),
    "deep_and_id_last": (f'{{"result":{DEEP},"jsonrpc":"2.0","id":"ID"}}', INVALID),
    "long_integer": (frame(result={"x": "X"}).replace('"X"', NUMBER), INVALID),
    "noise_after": (frame(result=GOOD) + " done", INVALID),
    "cut": (frame(result=GOOD)[:-20], INVALID),
    "cut_before_the_id": ('{"jsonrpc":"2.0","result":{"content":[],', INVALID),
    "newline_in_text": (frame(result=GOOD).replace("good", "go\nod"), INVALID),
}
"""Answers that may come over any transport."""

BYTES: Mapping[str, tuple[bytes, Wanted]] = {
    "not_utf8": (
        frame(result=GOOD).encode().replace(b"good", b"go\xff\xc3d"),
        {"content": [{"type": "text", "text": "go\ufffd\ufffdd"}]},
    ),
    "byte_order_mark": (b"\xef\xbb\xbf" + frame(result=GOOD).encode(), GOOD),
}
"""The same, that are no text."""

PRINTED: Mapping[str, tuple[str, Wanted]] = {
    "indented": (json.dumps(json.loads(frame(result=GOOD)), indent=2), GOOD),
    "after_a_banner": ("Starting...\n\n" + frame(result=GOOD), GOOD),
    "after_an_indented_dump": (json.dumps(DUMP, indent=2) + "\n" + frame(result=GOOD), GOOD),
    "after_an_unfinished_dump": ("{\n  port: 3000,\n" + frame(result=GOOD), GOOD),
    "after_a_log_of_it": (
        "DEBUG sending " + frame(result=GOOD).replace("good", "log") + "\n" + frame(result=GOOD),
        GOOD,
    ),
    "after_a_structured_log": ('{"level":"info","msg":"x","id":"ID","error":"no"}\n' + frame(result=GOOD), GOOD),
    "noise_before": ("INFO: " + frame(result=GOOD), INVALID),
    "crlf": (frame(result=GOOD) + "\r", GOOD),
    "too_large": (frame(result={"x": "X"}).replace("X", "x" * 300_000), TOO_LARGE),
}
"""Those that only a process can give, which prints to its stdout; lines may have 256 KiB."""

LIMIT = 256 * 1024
ALL: Mapping[str, tuple[bytes, Wanted]] = {
    **{name: (text.encode(), wanted) for name, (text, wanted) in {**MEMBERS, **PRINTED}.items()},
    **BYTES,
}


def answer(name: str, request_id: int) -> bytes:
    """The answer of that habit to a request."""
    number = str(request_id).encode()
    return ALL[name][0].replace(b'"ID"', number).replace(b"TEXT ID", number)


def main() -> None:
    """Serve on stdio."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "id" in request:
            sys.stdout.buffer.write(answer(request["params"]["name"], request["id"]) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
