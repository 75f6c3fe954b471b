"""Questions of servers from one era to the other, and who can be asked them."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.features import input_requests
from sidecar.features.uris import prefix
from sidecar.protocol import eras

FORM = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
URL = {"mode": "url", "message": "Sign in", "url": "https://example.com"}
SAMPLE = {
    "maxTokens": 1,
    "messages": [
        {"role": "user", "content": {"type": "text", "text": "mock://hello"}},
        {"role": "user", "content": [{"type": "resource_link", "uri": "mock://hello", "name": "x"}]},
        {"role": "user", "content": {"type": "resource", "resource": {"uri": "mock://a", "text": "t"}}},
    ],
}


@pytest.mark.parametrize(
    ("capabilities", "method", "params", "lacking"),
    [
        ({}, "roots/list", {}, {"roots": {}}),
        ({"roots": {}}, "roots/list", {}, None),
        ({"sampling": {}}, "sampling/createMessage", SAMPLE, None),
        ({"elicitation": {}}, "sampling/createMessage", SAMPLE, {"sampling": {}}),
        ({}, "elicitation/create", FORM, {"elicitation": {"form": {}}}),
        ({"elicitation": {}}, "elicitation/create", FORM, None),
        ({"elicitation": {"form": {}}}, "elicitation/create", {**FORM, "mode": "form"}, None),
        ({"elicitation": {"url": {}}}, "elicitation/create", FORM, {"elicitation": {"form": {}}}),
        ({"elicitation": {}}, "elicitation/create", URL, {"elicitation": {"url": {}}}),
        ({"elicitation": {"url": {}}}, "elicitation/create", URL, None),
        ({"roots": {}, "sampling": {}, "elicitation": {}}, "something/else", {}, {}),
    ],
)
def test_who_can_be_asked(
    capabilities: dict[str, Any], method: str, params: dict[str, Any], lacking: dict[str, Any] | None
) -> None:
    """A client is asked what it declared; `elicitation` without a mode is forms; what nobody knows, nobody can."""
    assert input_requests.lacking(capabilities, method, params) == lacking


def test_to_modern() -> None:
    """Without what only 2025-11-25 has; what came is not changed."""
    given = {**URL, "elicitationId": "e", "task": {"ttl": 1}, "_meta": {eras.SERVER_INFO_KEY: {}, "x": 1}}
    before = dict(given)
    assert input_requests.for_modern("elicitation/create", given) == {
        "method": "elicitation/create",
        "params": {**URL, "_meta": {"x": 1}},
    }
    assert given == before


def test_to_legacy() -> None:
    """A URL gets an id of its own, each time another; the rest is as it was."""
    method, first = input_requests.for_legacy({"method": "elicitation/create", "params": URL})
    _, second = input_requests.for_legacy({"method": "elicitation/create", "params": URL})
    assert method == "elicitation/create"
    assert first.pop("elicitationId") != second.pop("elicitationId")
    assert first == second == URL
    assert input_requests.for_legacy({"method": "elicitation/create", "params": FORM})[1] == FORM
    assert input_requests.for_legacy({"method": "roots/list"}) == ("roots/list", {})
    sample = {"method": "sampling/createMessage", "params": SAMPLE}
    shown = input_requests.for_legacy(sample, lambda uri: prefix(uri, "own"))[1]["messages"]
    assert shown[0]["content"]["text"] == "mock://hello"
    assert shown[1]["content"][0]["uri"] == "mock://own/hello"
    assert shown[2]["content"]["resource"]["uri"] == "mock://own/a"


def test_what_is_asked() -> None:
    """Questions are found by key; what is no question is left out, and no result is taken for one that asks."""
    result = {"resultType": "input_required", "inputRequests": {"a": {"method": "roots/list"}, "b": 1, "c": {}}}
    assert input_requests.asks(result)
    assert input_requests.input_requests(result) == {"a": {"method": "roots/list"}}
    assert input_requests.input_requests({"inputRequests": []}) == {}
    assert not input_requests.asks({"content": []})


def test_url_elicitations_of_an_error() -> None:
    """Error -32042 of 2025-11-25 names the URLs to open; without them it asks nothing."""
    error = {"code": -32042, "data": {"elicitations": [{"message": "m", "url": "u", "elicitationId": "e"}, 1]}}
    params = {"mode": "url", "message": "m", "url": "u"}
    assert input_requests.of_error(error) == {"hub-1": {"method": "elicitation/create", "params": params}}
    for data in (None, {}, {"elicitations": {}}, []):
        assert input_requests.of_error({"code": -32042, "data": data}) == {}


def test_what_a_server_missed() -> None:
    """A modern server that says which feature it lacks would have asked for it; no other error says so."""
    error = {"code": -32021, "data": {"requiredCapabilities": {"roots": {}, "elicitation": {"form": {}}, "x": {}}}}
    assert input_requests.refused(error) == ["elicitation/create", "roots/list"]
    for other in (
        {**error, "code": -32602},
        {"code": -32021},
        {"code": -32021, "data": {"requiredCapabilities": 1}},
        1,
    ):
        assert input_requests.refused(other) == []


def test_answers() -> None:
    """A retry's additions are taken off the params, and a modern answer loses what only that era has."""
    params = {"name": "x", "inputResponses": {}, "requestState": "s"}
    assert input_requests.without_answers(params) == {"name": "x"}
    assert input_requests.without_answers({"name": "x"}) == {"name": "x"}
    assert input_requests.plain_answer({"resultType": "complete", "action": "accept"}) == {"action": "accept"}
