"""`hubctl access` against a hub of canned answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.models import (
    AccessChecked,
    AccessDecision,
    AccessExplained,
    AccessItem,
    AccessRule,
    AccessSaved,
    AccessText,
    AccessView,
    CheckAccessFile,
    ExplainAccess,
    Issue,
    PutAccessFile,
    ReadAccessFile,
    ViewAs,
    WorkspaceAccess,
)
from hubctl.main import parser
from tests.unit.hubctl.canned import CannedHub, snapshot_id

pytestmark = pytest.mark.outside

FAULT = Issue(
    code="ACCESS_INVALID",
    severity="error",
    subject="file:access.json",
    file="access.json",
    message="access.json, line 2: rules[0].tols: nothing reads this field.",
    hint="Correct it.",
)
REMARK = FAULT.model_copy(update={"severity": "info", "message": "no server matches 'x'."})
DECISION = AccessDecision(
    workspace="My Work",
    type="tool",
    server="time",
    name="now",
    shown_as="time_now",
    allowed=False,
    reason="rule",
    rule=3,
    why="rule 3 denies it to *",
    listed=False,
    text=AccessRule(effect="deny", subject="*", tools=("n*",)),
)


def text_of(text: str | None, *issues: Issue) -> AccessText:
    return AccessText(path="/data/access.json", text=text, hash="h", issues=issues, in_force=text is not None)


async def test_the_file_is_printed_as_it_is(hub: CannedHub) -> None:
    """And what is wrong with it goes to stderr; a file that is not there is told."""
    hub.answers = {ReadAccessFile: text_of('{\n  "rules": []\n}\n', FAULT)}
    assert await hub.hubctl("access") == (0, '{\n  "rules": []\n}\n', f"error: {FAULT.message}\n")
    hub.answers[ReadAccessFile] = text_of(None)
    code, out, err = await hub.hubctl("access", "show")
    assert (code, err) == (0, "")
    assert out.startswith("There is no /data/access.json")
    _, out, _ = await hub.hubctl("access", "--json")
    assert json.loads(out)["text"] is None


async def test_a_file_is_checked(hub: CannedHub, tmp_path: Path) -> None:
    """Exit code 1 if it cannot be used; remarks do not matter."""
    file = tmp_path / "new.json"
    file.write_text("{}")
    hub.answers = {CheckAccessFile: AccessChecked(issues=(FAULT,))}
    assert await hub.hubctl("access", "check", str(file)) == (1, "", f"error: {FAULT.message}\n")
    assert hub.asked == [CheckAccessFile(text="{}")]
    hub.answers[CheckAccessFile] = AccessChecked(issues=(REMARK,))
    code, out, err = await hub.hubctl("access", "check", str(file))
    assert (code, err) == (0, "info: no server matches 'x'.\n")
    assert "can be used" in out
    code, out, _ = await hub.hubctl("access", "check", str(file), "--json")
    assert (code, json.loads(out)["issues"][0]["severity"]) == (0, "info")
    code, _, err = await hub.hubctl("access", "check", str(tmp_path / "absent"))
    assert (code, err.partition(":")[0]) == (2, "CLI_ARGUMENTS")


async def test_a_file_is_put_in_force_and_removed(hub: CannedHub, tmp_path: Path) -> None:
    """The adapter refuses one with faults."""
    file = tmp_path / "new.json"
    file.write_text('{"rules": []}')
    hub.answers = {PutAccessFile: AccessSaved(snapshot=snapshot_id(), hash="h", issues=(REMARK,))}
    code, out, err = await hub.hubctl("access", "put", str(file))
    assert (code, out, err) == (0, "access.json is in force.\n", "info: no server matches 'x'.\n")
    assert (await hub.hubctl("access", "remove"))[1] == "access.json is removed.\n"
    assert hub.asked == [PutAccessFile(text='{"rules": []}'), PutAccessFile(text=None)]


async def test_a_decision_is_explained_with_its_rule(hub: CannedHub) -> None:
    """In the workspace of that name or slug."""
    hub.answers = {ExplainAccess: AccessExplained(subject="*", principal="", role="user", decisions=(DECISION,))}
    code, out, _ = await hub.hubctl("access", "explain", "*", "time_now", "--workspace", "my-work")
    assert (code, hub.asked) == (0, [ExplainAccess(subject="*", name="time_now", workspace="My Work")])
    assert out.splitlines() == [
        "* has the role user.",
        "",
        "My Work: time_now of time: denied, rule 3 denies it to * (the server does not list it now)",
        '  {"effect":"deny","subject":"*","tools":["n*"]}',
    ]
    hub.answers[ExplainAccess] = AccessExplained(subject="*", principal="", role="user", decisions=())
    code, out, _ = await hub.hubctl("access", "explain", "*", "x", "--type", "prompt", "--server", "time")
    assert (code, out) == (0, "No workspace has a prompt x.\n")
    assert hub.asked[-1] == ExplainAccess(subject="*", name="x", type="prompt", server="time")
    code, _, err = await hub.hubctl("access", "explain", "*", "x", "--workspace", "gone")
    assert (code, err.partition(":")[0]) == (1, "NO_SUCH_WORKSPACE")


async def test_what_a_subject_sees_is_shown(hub: CannedHub) -> None:
    """What is hidden from it too; a workspace that it may not use does not exist for it."""
    fields = DECISION.model_dump(include=set(AccessItem.model_fields))
    items = (AccessItem(**fields), AccessItem(**{**fields, "shown_as": "time_zone", "allowed": True, "why": "ok"}))
    spaces = (
        WorkspaceAccess(name="My Work", usable=True, items=items),
        WorkspaceAccess(name="idle", usable=False, items=items),
        WorkspaceAccess(name="none", usable=True, items=()),
    )
    hub.answers = {ViewAs: AccessView(subject="key:ci", principal="k1", role="owner", workspaces=spaces)}
    code, out, _ = await hub.hubctl("access", "view", "key:ci")
    assert (code, hub.asked) == (0, [ViewAs(subject="key:ci")])
    assert [line for line in out.splitlines() if line] == [
        "key:ci has the role owner.",
        "My Work: 1 item of 2",
        "         TYPE  NAME       SERVER  WHY",
        "hidden   tool  time_now   time    rule 3 denies it to *",
        "allowed  tool  time_zone  time    ok",
        "idle: does not exist for it",
        "none: 0 items of 0",
    ]
    _, out, _ = await hub.hubctl("access", "view", "key:ci", "--json")
    assert json.loads(out)["workspaces"][0]["items"][0]["rule"] == 3


@pytest.mark.parametrize(
    "words", [["check"], ["explain", "*"], ["view"], ["put"], ["explain", "*", "x", "--type", "y"]]
)
def test_words_that_cannot_be_used_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the form of the command."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["access", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("CLI_ARGUMENTS: ")
