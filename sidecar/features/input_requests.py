"""Requests from a server to a client: elicitation, sampling and roots, and their translation between eras. Pure.

A legacy server sends `elicitation/create`, `sampling/createMessage` or `roots/list` as a JSON-RPC request. A modern
server puts the same method and params into `inputRequests` of an `input_required` result, and gets the answers in
`inputResponses` when the client repeats its request (MCP 2026-07-28, Multi Round-Trip Requests).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sidecar.errors import MISSING_CAPABILITY
from sidecar.features import uris
from sidecar.features.uris import Rename
from sidecar.protocol import eras
from sidecar.protocol.channel import Params

FEATURES: Mapping[str, str] = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
"""Method to the client capability that it requires."""
CARRIERS = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods whose result may be `input_required`."""
ANSWER_KEYS = ("inputResponses", "requestState")
"""Params that a client adds when it repeats a request with its answers."""
LEGACY_ONLY = ("task",)
"""Params of these requests that exist in revision 2025-11-25 only."""


def asks(result: Mapping[str, Any]) -> bool:
    """Whether a result is `input_required` rather than final."""
    return result.get("resultType") == "input_required"


def input_requests(result: Mapping[str, Any]) -> dict[str, Params]:
    """The input requests of a result by key; malformed entries are left out."""
    found = result.get("inputRequests")
    found = found if isinstance(found, dict) else {}
    return {key: each for key, each in found.items() if isinstance(each, dict) and isinstance(each.get("method"), str)}


def params_of(request: Mapping[str, Any]) -> Params:
    """The params of an input request; empty where they are missing."""
    params = request.get("params")
    return params if isinstance(params, dict) else {}


def lacking(capabilities: Mapping[str, Any], method: str, params: Params) -> dict[str, Any] | None:
    """The capabilities that a client lacks for a request of `method`; None if it can handle the request.

    A client that declares `elicitation` without a mode supports forms (MCP 2025-11-25, Elicitation, Capabilities).
    """
    feature = FEATURES.get(method)
    if feature is None:
        return {}
    declared = capabilities.get(feature)
    if feature != "elicitation":
        return None if declared is not None else {feature: {}}
    mode = "url" if params.get("mode") == "url" else "form"
    modes = declared if isinstance(declared, dict) else {}
    able = declared is not None and (mode in modes or (mode == "form" and "url" not in modes))
    return None if able else {feature: {mode: {}}}


def exclusive(capabilities: Mapping[str, Any]) -> bool:
    """Whether a client declared any of these capabilities, so that requests must reach it and no other client."""
    return any(capabilities.get(feature) is not None for feature in FEATURES.values())


def for_modern(method: str, params: Params) -> Params:
    """Translate a legacy server's request to an input request. The relay renames its URIs, as it does in results."""
    kept = {key: value for key, value in params.items() if key not in LEGACY_ONLY and key != "elicitationId"}
    return {"method": method, "params": eras.without_connection_meta(kept)}


def for_legacy(request: Params, rename: Rename | None = None) -> tuple[str, Params]:
    """Translate an input request to the method and params of a request to a legacy client.

    Legacy URL elicitations require an `elicitationId`, which modern ones do not have: a random one is added.
    """
    method, params = request["method"], eras.without_connection_meta(params_of(request))
    if method == "elicitation/create" and params.get("mode") == "url" and "elicitationId" not in params:
        params = {**params, "elicitationId": secrets.token_hex(16)}
    return method, uris.rewrite_result(method, params, rename) if rename else params


def refused(error: Any) -> list[str]:
    """The methods that a modern server wanted to request, by its error -32021 (missing client capability)."""
    if not isinstance(error, dict) or error.get("code") != MISSING_CAPABILITY:
        return []
    data = error.get("data")
    wanted = data.get("requiredCapabilities") if isinstance(data, dict) else None
    return [method for method, feature in FEATURES.items() if isinstance(wanted, dict) and feature in wanted]


def of_error(error: Mapping[str, Any]) -> dict[str, Params]:
    """The URL elicitations in a legacy server's error -32042 (URL elicitation required), as input requests."""
    data = error.get("data")
    found = data.get("elicitations") if isinstance(data, dict) else None
    wanted = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return {
        f"hub-{number}": for_modern("elicitation/create", {"mode": "url", **each})
        for number, each in enumerate(wanted, 1)
    }


def plain_answer(result: Params) -> Params:
    """A client's answer without the members that only modern results have."""
    return eras.to_client("legacy", "", result, {})


def without_answers(params: Params) -> Params:
    """The params of a request without ANSWER_KEYS."""
    if not any(key in params for key in ANSWER_KEYS):
        return params
    return {key: value for key, value in params.items() if key not in ANSWER_KEYS}
