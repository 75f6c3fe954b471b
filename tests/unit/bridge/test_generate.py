"""bridge.generate: what Node and the documents have of the models is what the models say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from bridge import models
from bridge.generate import ROOT, composed, fields_of, files, interface, kinds_file, replaced, type_of, types_file
from bridge.models import KINDS, ContainerSettings, Done, LogRecords, Model, Request, ServerSettings
from bridge.models.actual import ServerState


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_a_generated_file_is_what_the_models_say(path: Path) -> None:
    """Where it is not: `make generate`."""
    assert path.read_text("utf-8") == files()[path], f"{path.relative_to(ROOT)} is out of date: run `make generate`"


def test_a_new_kind_is_a_class_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of the client in Node, its types and the tables of the document have it from there."""
    monkeypatch.setattr("bridge.models.base.KINDS", kinds := dict(KINDS))

    class Rest(Request[LogRecords], kind="rest", sockets=("actual",), queue="naps", repeatable=False):
        """Do nothing for a while."""

        seconds: float = 1
        """How long."""

    assert kinds["rest"] is Rest
    assert (Rest.answer, Rest.queue, Rest.repeatable) == (LogRecords, "naps", False)
    monkeypatch.setitem(KINDS, "rest", Rest)
    monkeypatch.setattr(models, "Rest", Rest, raising=False)
    assert "  ['rest', ['actual'], false]," in kinds_file()
    monkeypatch.setattr("bridge.generate.field_comments", lambda _: {"seconds": "How long."})
    text = types_file()
    assert "  rest: Rest;" in text
    assert "  rest: LogRecords;" in text
    assert interface(Rest, whole=False) in text
    assert fields_of(Rest) == "`seconds`?"


def test_a_kind_is_declared_once_and_has_an_answer() -> None:
    """Both are seen when the class is made, and nothing is left behind."""
    before = dict(KINDS)
    with pytest.raises(TypeError, match="ReadStatus is of the kind 'status' already"):

        class Status2(Request[Done], kind="status", sockets=("actual",)):
            """A second of the name."""

    with pytest.raises(TypeError, match="does not say what answers it"):

        class Silent(Request, kind="silent", sockets=("actual",)):  # type: ignore[type-arg]
            """One without an answer."""

    assert before == KINDS


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        (str, "string"),
        (float | None, "number | null"),
        (tuple[str, ...] | None, "string[] | null"),
        (tuple[int | str, ...], "(number | string)[]"),
        (dict[str, tuple[Any, ...]], "Record<string, any[]>"),
        (Literal["a", "b"], "'a' | 'b'"),
        (ServerState, "ServerStateName"),
        (ServerSettings.model_fields["tool_timeouts"].annotation, "Record<string, number>"),
        (ContainerSettings, "ContainerSettings"),
    ],
    ids=str,
)
def test_a_type_has_its_form_in_typescript(annotation: Any, wanted: str) -> None:
    """Those that bodies are made of."""
    assert type_of(annotation) == wanted


@pytest.mark.parametrize("annotation", [bytes, dict[int, str], tuple[int, str], list[str]], ids=str)
def test_a_type_that_no_body_has_is_refused(annotation: Any) -> None:
    """Rather than written as one that it is not."""
    with pytest.raises(TypeError, match="no TypeScript form"):
        composed(annotation, getattr(annotation, "__origin__", None), getattr(annotation, "__args__", ()))


def test_whether_a_field_may_be_left_out_depends_on_who_sends_it() -> None:
    """What Node is sent is whole; what Node asks may leave out what has a default."""

    class Body(Model):
        """A body."""

        name: str = ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.generate.field_comments", lambda _: {})
        assert "  name: string;" in interface(Body, whole=True)
        assert "  name?: string;" in interface(Body, whole=False)


def test_a_document_without_its_table_is_an_error() -> None:
    """A heading that was edited must not leave a table that nobody writes any more."""
    with pytest.raises(ValueError, match=r"no table with the header 'a \| b'"):
        replaced("| a | c |\n|---|---|\n| 1 | 2 |\n", "a | b", ["| 3 | 4 |"])
