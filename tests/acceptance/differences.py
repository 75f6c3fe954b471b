"""Every difference between a server behind the hub and the server itself, each a function; see docs/transparency.md.

A function is given what the server answered directly, and returns what the hub has to answer. Their docstrings are the
reasons, and are the text of the document.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.peers import KEYS, LEGACY, MODERN, Era, Exchange, Json

HUBS = "(the hub's own words)"
FEATURES = {"sampling": "sampling", "roots": "roots"} | dict.fromkeys(
    ("elicit", "elicit_url", "elicit_often", "ask_all"), "elicitation"
)
LEGACY_CAPABILITIES: Json = {
    "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
}
CACHED = {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}


@dataclass(frozen=True)
class Case:
    """One request, and who asks whom."""

    method: str
    params: Json
    client: Era
    direct: Era
    """The era of the connection that goes without the hub: the client's, if the server speaks it."""
    upstream: Era
    """The era of the hub's connection to the server."""
    server_info: Json
    """What the workspace calls itself."""
    exposed: frozenset[str] = frozenset()
    """Names of the tools and prompts in the workspace."""


Difference = Callable[[Case, Exchange], None]
DIFFERENCES: dict[str, Difference] = {}


def difference(function: Difference) -> Difference:
    """Register a difference; they are applied in the order in which they stand here."""
    DIFFERENCES[function.__name__] = function
    return function


def expected(case: Case, direct: Exchange) -> Exchange:
    """What the hub has to answer, given what the server answered directly."""
    exchange = copy.deepcopy(direct)
    for apply in DIFFERENCES.values():
        apply(case, exchange)
    return exchange


def masked(exchange: Exchange) -> Exchange:
    """The exchange with the words of the hub's own errors left out: they have a `code` and a `hint` in their data."""
    error = exchange.answer.get("error")
    if error and isinstance(error.get("data"), dict) and {"code", "hint"} <= error["data"].keys():
        exchange.answer["error"] = _hubs(error["code"])["error"]
    return exchange


def keep_what_is_the_clients(exchange: Exchange) -> None:
    """Of what the mock's tool `connection` tells, the `_meta` of the call, without what belongs to the connection."""
    meta = exchange.result["structuredContent"]["meta"]
    exchange.result["structuredContent"] = {key: value for key, value in meta.items() if not key.startswith(KEYS)}
    exchange.result["content"] = []


def _hubs(code: int) -> Json:
    return {"error": {"code": code, "message": HUBS, "data": HUBS}}


@difference
def handshake(case: Case, exchange: Exchange) -> None:
    """The handshake names the workspace, not the server. It declares every capability that a server of a workspace may
    have (tools, prompts, resources, completions, logging and, in the legacy era, tasks), because servers are added
    and removed; of extensions and experimental capabilities it declares those of the workspace's servers
    (docs/extensions.md). The instructions are the server's; those of a `per_client` server are the last ones that it
    sent in that workspace."""
    if case.method not in ("initialize", "server/discover"):
        return
    told = exchange.result
    changes = {"listChanged": True}
    answer: Json = {
        "capabilities": {
            "tools": changes,
            "prompts": changes,
            "resources": {**changes, "subscribe": True},
            "completions": {},
            "logging": {},
            **(LEGACY_CAPABILITIES if case.client == "legacy" else {}),
            **{
                key: told["capabilities"][key]
                for key in ("extensions", "experimental")
                if told["capabilities"].get(key)
            },
        }
    }
    if "instructions" in told:
        answer["instructions"] = told["instructions"]
    if case.client == "legacy":
        answer |= {"protocolVersion": LEGACY, "serverInfo": case.server_info}
    else:
        answer |= {"supportedVersions": [MODERN], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    exchange.answer = {"result": answer}


@difference
def whole_lists(case: Case, exchange: Exchange) -> None:
    """A list comes completely on one page, however the server divides it, so no cursor is valid; with `HUB_PAGE_SIZE`
    it comes in the hub's own pages, whose cursors are valid until the list changes. The hub announces a change that
    the server announces once it has read the list again and the list differs: once or twice for a burst."""
    if "cursor" in case.params:
        exchange.answer = _hubs(-32602)


@difference
def repaired_items(case: Case, exchange: Exchange) -> None:
    """If clients' own models refuse an item of a list, and with it the whole list, the hub repairs the item if its
    meaning is certain, and otherwise leaves it out (*Repairs*, below). It adds empty `properties` to an input schema
    without them."""
    if case.method == "tools/list":
        for tool in exchange.answer.get("result", {}).get("tools", ()):
            tool["inputSchema"].setdefault("properties", {})


@difference
def structured_content(case: Case, exchange: Exchange) -> None:
    """A legacy client accepts only objects as structured content. If an output schema has no object at its root, such a
    client gets schema and content as the property `result` of an object; the same applies to other content that is
    not an object."""


@difference
def undeclared_lists(case: Case, exchange: Exchange) -> None:
    """The hub reads all lists of a server, including those whose capability the server does not declare, and shows
    their items. A list that it cannot read is empty, or as it was before, instead of an error (docs/adr/0022)."""


@difference
def unknown_names(case: Case, exchange: Exchange) -> None:
    """The hub refuses a tool or prompt that is not in the list, with error -32602 and a code, without asking the
    server. It also refuses a request without the required name, URI or reference."""
    name = case.params.get("ref", {}).get("name") if case.method == "completion/complete" else case.params.get("name")
    if case.method in ("tools/call", "prompts/get") and name not in case.exposed:
        exchange.answer = _hubs(-32602)
    if case.method == "completion/complete" and name not in (None, *case.exposed):
        exchange.answer = _hubs(-32602)
    if case.method in ("resources/read", "resources/subscribe") and "uri" not in case.params:
        exchange.answer = _hubs(-32602)


@difference
def unknown_methods(case: Case, exchange: Exchange) -> None:
    """A method that neither the protocol nor the hub knows, and that belongs to no server's extension, gets error
    -32601 from the hub."""
    if exchange.answer.get("error", {}).get("code") == -32601:
        exchange.answer["error"] = {"code": -32601, "message": "Method not found", "data": case.method}


@difference
def tasks(case: Case, exchange: Exchange) -> None:
    """Tasks (2025-11-25) are available to legacy clients of servers that support them, and belong to the session that
    began them: other sessions do not see them in lists, by id or in notifications, and they are unreachable when the
    session ends. Their ids are the server's, unless two servers use the same id. Progress ends with the answer that
    names the task. The tasks of the extension (SEP-2663) belong to their client in the same way, in both eras
    (docs/extensions.md)."""
    if case.method in ("tasks/get", "tasks/result", "tasks/cancel") and "error" in exchange.answer:
        exchange.answer = _hubs(-32602)


@difference
def cancelled(case: Case, exchange: Exchange) -> None:
    """A request that a legacy client cancels gets error -32800, so that nothing waits for it for ever; the modern era
    forbids an answer. When a server cancels one of its own requests, the hub cancels it at the client."""


@difference
def own_connection(case: Case, exchange: Exchange) -> None:
    """The server's client is the hub: a server sees the hub's name and version, the ids and progress tokens of its own
    connection, and no `_meta` key that belongs to the client's connection (all other keys arrive). A log level is
    such a key: the level that a modern client requests in `_meta` reaches servers with `session: per_client`; the
    level that a legacy client sets reaches all, combined over all clients, and is reset to `info` when those that
    set one have left. Of the client's extensions the hub declares to the server those that it carries
    (docs/extensions.md)."""
    if case.params.get("name") == "connection":
        keep_what_is_the_clients(exchange)


@difference
def shared_server(case: Case, exchange: Exchange) -> None:
    """A shared server has several clients and cannot have the features of one of them: the hub declares no sampling, no
    elicitation and no roots to it, in the era in which it speaks to the server; of extensions it declares views (MCP
    Apps), for all clients. With `session: per_client` the server gets the features of its client, whatever the eras
    of both (docs/protocol-eras.md)."""
    feature = FEATURES.get(case.params.get("name", ""))
    if feature and case.method == "tools/call" and (case.direct, case.upstream) == ("modern", "legacy"):
        text = {"type": "text", "text": f"The client does not offer {feature}"}
        exchange.answer = {"result": {"content": [text], "isError": True}}


@difference
def log_messages(case: Case, exchange: Exchange) -> None:
    """Log messages of a shared server go to the hub's log, and to a client only while it is the only one, because they
    do not name a request; to modern clients only with `session: per_client`, where they belong to a call."""
    exchange.notes = [note for note in exchange.notes if note["method"] != "notifications/message"]


@difference
def request_states(case: Case, exchange: Exchange) -> None:
    """The `requestState` of an `input_required` result is the hub's, and contains the server's own in encrypted form.
    It is valid for that call of that client, and for `HUB_INPUT_TIMEOUT` (docs/protocol-eras.md)."""


@difference
def retired_codes(case: Case, exchange: Exchange) -> None:
    """A resource that is not found is error -32002 for legacy clients and -32602 for modern ones, as each era defines
    it; a modern server's -32602 is not changed."""
    error = exchange.answer.get("error", {})
    if case.client == "modern" and error.get("code") == -32002:
        error["code"] = -32602


@difference
def result_types(case: Case, exchange: Exchange) -> None:
    """Results have the form of the client's era, whatever the server's: `resultType` for a modern client, and nothing
    of the modern era (`resultType`, `ttlMs`, `cacheScope`, the connection's keys of `_meta`) for a legacy one."""
    result = exchange.answer.get("result")
    if result is None:
        return
    if case.client == "modern":
        result.setdefault("resultType", "complete")
        return
    for key in ("resultType", "ttlMs", "cacheScope"):
        result.pop(key, None)
    meta = {key: value for key, value in result.pop("_meta", {}).items() if not key.startswith(KEYS)}
    if meta:
        result["_meta"] = meta


@difference
def cache_hints(case: Case, exchange: Exchange) -> None:
    """The hub tells a modern client not to cache lists and reads (`ttlMs` 0, `cacheScope` private), whatever the server
    said, because a workspace changes with its configuration."""
    result = exchange.answer.get("result")
    if result is not None and case.client == "modern" and case.method in CACHED:
        result |= {"ttlMs": 0, "cacheScope": "private"}


@difference
def server_identity(case: Case, exchange: Exchange) -> None:
    """If a modern result names its server (`_meta`), it names the workspace."""
    result: dict[str, Any] | None = exchange.answer.get("result")
    if result is not None and case.client == "modern":
        result["_meta"] = {**result.get("_meta", {}), f"{KEYS}serverInfo": case.server_info}


@difference
def numbers(case: Case, exchange: Exchange) -> None:
    """An integer beyond 64 bits may arrive as the nearest double, as in JavaScript; NaN and Infinity, which are not
    JSON but which some servers write, arrive as null, and half of a surrogate pair as a question mark."""


@difference
def refusals(case: Case, exchange: Exchange) -> None:
    """The hub answers with an error of its own (docs/errors.md) if a server is unavailable, a call takes longer than
    `call_timeout`, a single answer of a remote server is larger than `HUB_MAX_MESSAGE_BYTES` (64 MiB), or the
    workspace is switched off; and over HTTP with status 413 if a request is larger than `HUB_MAX_BODY_BYTES`."""


@difference
def odd_answers(case: Case, exchange: Exchange) -> None:
    """If no client can read an answer of a server, the hub answers with an error of its own, and it repairs an answer
    whose meaning is certain; bytes that are not UTF-8 arrive as U+FFFD. See *Answers of servers* in
    docs/transparency.md."""


@difference
def absent_members(case: Case, exchange: Exchange) -> None:
    """The hub does not forward nulls of clients that stand for absent members. See *Answers of servers* in
    docs/transparency.md."""


@difference
def asked_again(case: Case, exchange: Exchange) -> None:
    """The hub repeats a request that a server had not read when it ended, or that only reads, with the server's next
    process. See *Servers that end* in docs/transparency.md."""


@difference
def names_and_uris(case: Case, exchange: Exchange) -> None:
    """In a workspace with a prefix, the hub changes names of tools and prompts and URIs of resources as docs/adr/0003
    describes, wherever the protocol has them; URIs in text and in structured content stay unchanged, and the hub
    accepts them if exactly one server lists them, as it accepts a server's own tool names from its views
    (docs/extensions.md). With an empty prefix it changes nothing."""
