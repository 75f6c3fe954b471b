"""Which ids of clients are used."""

from __future__ import annotations

from sidecar.admission.context import RequestContext, Visitor
from sidecar.admission.request_ids import FROM_HEADER, META_KEY, valid


def test_only_ids_of_the_right_form_are_used() -> None:
    """Others could forge lines of a log or headers, or fill them."""
    for good in ("a", "00-4bf92f3577b34da6a3ce929d0e0e4736-01", "A.b_c:d/e+f=@g", "x" * 128):
        assert valid(good) == good
    for bad in ("", " ", "a b", "a\n", "a\r\nb: c", "x" * 129, "\u00e9", "\u202e", '"', 7, None, ["a"]):
        assert valid(bad) == ""


def test_an_id_in_the_message_comes_before_the_one_in_the_header() -> None:
    """One HTTP request may carry what a proxy made up."""
    assert context({}).log_fields == {"correlation": ""}
    token = FROM_HEADER.set("header")
    try:
        assert context({}).request_id == "header"
        assert context({"_meta": {META_KEY: "meta"}}).log_fields == {"correlation": "", "request_id": "meta"}
        assert context({"_meta": {META_KEY: "not good"}}).request_id == "header"
        assert context({"_meta": 7}).request_id == "header"
    finally:
        FROM_HEADER.reset(token)


def context(params: dict[str, object]) -> RequestContext:
    """The context of a request with these params."""
    return RequestContext(Visitor(), "tools/call", params, "w", 1, 0.0)
