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
    """The handshake names the workspace, not the server, and declares every capability that a server of a workspace
    may bring (tools, prompts, resources, completions, logging and, in the legacy era, tasks), for servers come and
    go; of extensions and experimental ones those that its servers declare (docs/extensions.md). Instructions are the
    server's, those of a `per_client` server as it said them last in that workspace."""
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
    """A list comes whole, on one page, whatever pages the server makes of it, so no cursor is good; with
    `HUB_PAGE_SIZE` it comes in pages of the hub's own, whose cursors are good until the list changes. A change that the
    server announces is announced when the list is read again and differs: of a burst, once or twice."""
    if "cursor" in case.params:
        exchange.answer = _hubs(-32602)


@difference
def repaired_items(case: Case, exchange: Exchange) -> None:
    """An item of a list that clients' own models refuse, and with it the whole list, is repaired where its meaning is
    certain, and left out where it is not (*Repairs*, below). An input schema without `properties` gets empty ones."""
    if case.method == "tools/list":
        for tool in exchange.answer.get("result", {}).get("tools", ()):
            tool["inputSchema"].setdefault("properties", {})


@difference
def structured_content(case: Case, exchange: Exchange) -> None:
    """A legacy client takes structured content only as an object: where an output schema has none at its root, it and
    the content reach such a client as the property `result` of one; other content that is no object likewise."""


@difference
def undeclared_lists(case: Case, exchange: Exchange) -> None:
    """The hub asks a server for all lists, also for those whose capability it does not declare, and shows what it
    lists. A list that cannot be read is empty, or as it was before, instead of an error (docs/adr/0022)."""


@difference
def unknown_names(case: Case, exchange: Exchange) -> None:
    """A tool or prompt that is not in the list is refused by the hub, with error -32602 and a code that says so; the
    server is not asked. So is a request without the name, URI or reference that says what it is about."""
    name = case.params.get("ref", {}).get("name") if case.method == "completion/complete" else case.params.get("name")
    if case.method in ("tools/call", "prompts/get") and name not in case.exposed:
        exchange.answer = _hubs(-32602)
    if case.method == "completion/complete" and name not in (None, *case.exposed):
        exchange.answer = _hubs(-32602)
    if case.method in ("resources/read", "resources/subscribe") and "uri" not in case.params:
        exchange.answer = _hubs(-32602)


@difference
def unknown_methods(case: Case, exchange: Exchange) -> None:
    """A method that neither the protocol nor the hub knows, and that is of no server's extension, gets error -32601
    from the hub."""
    if exchange.answer.get("error", {}).get("code") == -32601:
        exchange.answer["error"] = {"code": -32601, "message": "Method not found", "data": case.method}


@difference
def tasks(case: Case, exchange: Exchange) -> None:
    """Tasks (2025-11-25) are for legacy clients of servers that have them, and belong to the session that began them:
    another has none of them, by list, id or notice, and they are out of reach when it ends. Their ids are the
    server's, but where two servers use the same. Progress ends with the answer that names the task. The tasks of the
    extension (SEP-2663) belong to their client in the same way, in both eras (docs/extensions.md)."""
    if case.method in ("tasks/get", "tasks/result", "tasks/cancel") and "error" in exchange.answer:
        exchange.answer = _hubs(-32602)


@difference
def cancelled(case: Case, exchange: Exchange) -> None:
    """A request that a legacy client cancels is answered with error -32800, so that whoever still waits for it does not
    do so for ever; the modern era forbids an answer. What a server cancels of its own requests is cancelled at the
    client."""


@difference
def own_connection(case: Case, exchange: Exchange) -> None:
    """The server's client is the hub: a server sees the hub's name and version and its own connection's ids and
    progress tokens, and no `_meta` key that belongs to the client's connection (all other keys arrive). A log level
    is such a key: what a modern client asks for in `_meta` reaches servers with `session: per_client`; what a legacy
    client sets reaches all, combined over all clients; when those who set one have left, it is `info`. Of the
    client's extensions a server is told what the hub carries (docs/extensions.md)."""
    if case.params.get("name") == "connection":
        keep_what_is_the_clients(exchange)


@difference
def shared_server(case: Case, exchange: Exchange) -> None:
    """A shared server has several clients and cannot be given the features of one: it is told that there is no
    sampling, no elicitation and no roots, in the era in which the hub speaks to it; of extensions it is told of views
    (MCP Apps), which the hub declares for all. With `session: per_client` it has those of its client, whatever the
    eras of both (docs/protocol-eras.md)."""
    feature = FEATURES.get(case.params.get("name", ""))
    if feature and case.method == "tools/call" and (case.direct, case.upstream) == ("modern", "legacy"):
        text = {"type": "text", "text": f"The client does not offer {feature}"}
        exchange.answer = {"result": {"content": [text], "isError": True}}


@difference
def log_messages(case: Case, exchange: Exchange) -> None:
    """Log messages of a shared server go to the hub's log, and to a client only while it is the only one, for they
    name no request; to modern clients only with `session: per_client`, where they belong to a call."""
    exchange.notes = [note for note in exchange.notes if note["method"] != "notifications/message"]


@difference
def request_states(case: Case, exchange: Exchange) -> None:
    """The `requestState` of a result that wants input is the hub's, with the server's own sealed inside: good for that
    call of that client, and for `HUB_INPUT_TIMEOUT` (docs/protocol-eras.md)."""


@difference
def retired_codes(case: Case, exchange: Exchange) -> None:
    """A resource that is not found is error -32002 to legacy clients and -32602 to modern ones, as each era has it;
    a modern server's -32602 stays what it is."""
    error = exchange.answer.get("error", {})
    if case.client == "modern" and error.get("code") == -32002:
        error["code"] = -32602


@difference
def result_types(case: Case, exchange: Exchange) -> None:
    """Results have what the client's era wants, whatever the server's: `resultType` for a modern client, nothing of the
    modern era (`resultType`, `ttlMs`, `cacheScope`, the connection's keys of `_meta`) for a legacy one."""
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
    """A modern client is told not to keep lists and reads (`ttlMs` 0, `cacheScope` private), whatever the server said:
    a workspace changes with its configuration."""
    result = exchange.answer.get("result")
    if result is not None and case.client == "modern" and case.method in CACHED:
        result |= {"ttlMs": 0, "cacheScope": "private"}


@difference
def server_identity(case: Case, exchange: Exchange) -> None:
    """Where a modern result names its server (`_meta`), it is the workspace."""
    result: dict[str, Any] | None = exchange.answer.get("result")
    if result is not None and case.client == "modern":
        result["_meta"] = {**result.get("_meta", {}), f"{KEYS}serverInfo": case.server_info}


@difference
def numbers(case: Case, exchange: Exchange) -> None:
    """An integer beyond 64 bits may arrive as the nearest double, as it does in JavaScript; NaN and Infinity, which are
    not JSON but which some servers write, arrive as null, and half of a surrogate pair as a question mark."""


@difference
def refusals(case: Case, exchange: Exchange) -> None:
    """The hub answers with an error of its own (docs/errors.md) where a server is away, a call takes longer than
    `call_timeout`, a single answer of a remote server is larger than 64 MiB, or the workspace is switched off; and
    over HTTP with status 413 where a request is larger than `HUB_MAX_BODY_BYTES`."""


@difference
def odd_answers(case: Case, exchange: Exchange) -> None:
    """An answer of a server that no client could read is an error of the hub's, and one that has a certain meaning is
    repaired; bytes that are not UTF-8 arrive as U+FFFD. See *Answers of servers* in docs/transparency.md."""


@difference
def absent_members(case: Case, exchange: Exchange) -> None:
    """Nulls of clients that stand for what is absent do not reach a server. See *Answers of servers* in
    docs/transparency.md."""


@difference
def asked_again(case: Case, exchange: Exchange) -> None:
    """A request that a server had not read when it ended, or that only reads, is asked again of the server's next
    process. See *Servers that end* in docs/transparency.md."""


@difference
def names_and_uris(case: Case, exchange: Exchange) -> None:
    """In a workspace with a prefix, names of tools and prompts and URIs of resources are changed as docs/adr/0003
    says, wherever they stand as such; URIs in text and in structured content stay, and are understood where one
    server alone lists them, as its own names of tools are from its views (docs/extensions.md). Nothing here with an
    empty prefix."""
