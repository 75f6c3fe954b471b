"""What a server may ask of a client: the requests of 2025-11-25, the input requests of 2026-07-28. Pure.

A question is the same in both: elicitation/create, sampling/createMessage or roots/list with its params. A legacy
server sends it as a JSON-RPC request; a modern one puts it into `inputRequests` of a result (MCP 2026-07-28, Multi
Round-Trip Requests) and finds the answers in `inputResponses` of the next request.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from sidecar.errors import MISSING_CAPABILITY
from sidecar.features import uris
from sidecar.protocol import eras

Params = dict[str, Any]
Rename = Callable[[str], str]

FEATURES: Mapping[str, str] = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
"""The capability that a client declares when it can be asked this."""
CARRIERS = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods whose result may be `input_required`."""
ANSWER_KEYS = ("inputResponses", "requestState")
"""What a retry adds to the params of a request."""
ONE_ERA = ("task",)
"""Params of a question that only revision 2025-11-25 has."""


def asks(result: Mapping[str, Any]) -> bool:
    """Whether a result is not final but wants input."""
    return result.get("resultType") == "input_required"


def input_requests(result: Mapping[str, Any]) -> dict[str, Params]:
    """The questions of an `input_required` result by key; what is no question is left out."""
    found = result.get("inputRequests")
    found = found if isinstance(found, dict) else {}
    return {key: each for key, each in found.items() if isinstance(each, dict) and isinstance(each.get("method"), str)}


def params_of(question: Mapping[str, Any]) -> Params:
    """The params of an input request."""
    params = question.get("params")
    return params if isinstance(params, dict) else {}


def lacking(capabilities: Mapping[str, Any], method: str, params: Params) -> dict[str, Any] | None:
    """The capabilities that a client must declare to be asked this, if it did not; None if it can be asked.

    A client that declares `elicitation` without a mode takes forms (MCP 2025-11-25, Elicitation, Capabilities).
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
    """Whether a client can be asked anything, so that its calls must be told apart from others'."""
    return any(capabilities.get(feature) is not None for feature in FEATURES.values())


def for_modern(method: str, params: Params) -> Params:
    """A legacy server's request as an input request; its URIs are the relay's to rename, as all in results."""
    kept = {key: value for key, value in params.items() if key not in ONE_ERA and key != "elicitationId"}
    return {"method": method, "params": eras.without_connection_meta(kept)}


def for_legacy(question: Params, rename: Rename | None = None) -> tuple[str, Params]:
    """An input request as method and params of a request to a legacy client.

    A URL elicitation needs an id there, which 2026-07-28 does not have; this one is known to nobody else.
    """
    method, params = question["method"], eras.without_connection_meta(params_of(question))
    if method == "elicitation/create" and params.get("mode") == "url" and "elicitationId" not in params:
        params = {**params, "elicitationId": secrets.token_hex(16)}
    return method, uris.rewrite_result(method, params, rename) if rename else params


def refused(error: Any) -> list[str]:
    """What a modern server would have asked, by its error -32021: the client did not declare it."""
    if not isinstance(error, dict) or error.get("code") != MISSING_CAPABILITY:
        return []
    data = error.get("data")
    wanted = data.get("requiredCapabilities") if isinstance(data, dict) else None
    return [method for method, feature in FEATURES.items() if isinstance(wanted, dict) and feature in wanted]


def of_error(error: Mapping[str, Any]) -> dict[str, Params]:
    """The URL elicitations that a legacy server's error -32042 wants first, as input requests."""
    data = error.get("data")
    found = data.get("elicitations") if isinstance(data, dict) else None
    wanted = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return {
        f"hub-{number}": for_modern("elicitation/create", {"mode": "url", **each})
        for number, each in enumerate(wanted, 1)
    }


def plain_answer(result: Params) -> Params:
    """A client's answer as the other era has it: without what only a modern result carries."""
    return eras.to_client("legacy", "", result, {})


def without_answers(params: Params) -> Params:
    """The params of a request without what a retry added."""
    if not any(key in params for key in ANSWER_KEYS):
        return params
    return {key: value for key, value in params.items() if key not in ANSWER_KEYS}
