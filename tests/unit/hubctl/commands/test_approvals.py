"""`hubctl approvals`: what is shown before a decision, and what an approval names."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from bridge.models.catalog.approvals import ApproveProposal, ListProposals, Proposal, Proposals, RefuseProposal, Shown
from tests.unit.hubctl.canned import NOW, CannedHub

pytestmark = pytest.mark.outside

SECRET = "typed-by-a-person"


def proposal(**fields: Any) -> Proposal:
    """A proposal to add a server that needs a secret; its principal has put an escape sequence into the reason."""
    shown = Shown(
        name="io.example/notes",
        version="1.0.0",
        package="npm notes-mcp@1.0.0",
        command=("notes-mcp", "--root", "{ROOT}"),
        variables={"ROOT": ("/srv",)},
        secrets=("TOKEN",),
        reach=("It may use the network.",),
    )
    given = {"state": "pending", "action": "add", "principal": "k1", "principal_name": "bob", "workspace": "w"}
    given |= {"key": "notes", "reason": "I \x1b[31mneed it", "created": NOW, "expires": NOW + 9, "digest": "d1"}
    return Proposal.model_validate({"id": "p1", "shown": shown, **given, **fields})


@pytest.fixture
def proposed(hub: CannedHub) -> CannedHub:
    """A hub with that proposal."""
    hub.answers |= {
        ListProposals: Proposals(proposals=(proposal(),)),
        ApproveProposal: proposal(state="approved", job="j1"),
        RefuseProposal: proposal(state="refused"),
    }
    return hub


class Terminal(io.StringIO):
    """A terminal on which somebody types these lines."""

    def isatty(self) -> bool:
        return True


def decisions(hub: CannedHub) -> list[Any]:
    """What the adapter was asked to do."""
    return [each for each in hub.asked if not isinstance(each, ListProposals)]


async def test_everything_that_would_run_is_shown(proposed: CannedHub) -> None:
    """What its principal wrote is text: it does nothing to the terminal."""
    code, out, _ = await proposed.hubctl("approvals", "show", "p1")
    assert code == 0 and "\x1b" not in out
    for text in ("npm notes-mcp@1.0.0", "notes-mcp --root {ROOT}", "/srv", "TOKEN", "the network", "d1", "bob"):
        assert text in out
    code, out, _ = await proposed.hubctl("approvals")
    assert (code, "add io.example/notes 1.0.0" in out, "bob" in out) == (0, True, True)
    _, out, _ = await proposed.hubctl("approvals", "list", "--json")
    assert [each["id"] for each in json.loads(out)] == ["p1"]


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("yes", 0), ("", 1), ("no", 1)])
async def test_a_person_is_asked(proposed: CannedHub, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    """For the decision, then for the secrets; the approval names what was shown."""
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    monkeypatch.setattr("getpass.getpass", lambda _: SECRET)
    found, out, error = await proposed.hubctl("approvals", "approve", "p1")
    assert (found, SECRET in out + error) == (code, False)
    assert decisions(proposed) == ([] if code else [ApproveProposal(id="p1", digest="d1", secrets={"TOKEN": SECRET})])


async def test_a_script_names_the_digest(proposed: CannedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the secrets from stdin; without a digest nothing is approved."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    code, _, error = await proposed.hubctl("approvals", "approve", "p1")
    assert (code, "--digest" in error, decisions(proposed)) == (2, True, [])
    code, out, _ = await proposed.hubctl("approvals", "approve", "p1", "--digest", "d0", "--json")
    assert (code, json.loads(out)["job"]) == (0, "j1")
    assert decisions(proposed) == [ApproveProposal(id="p1", digest="d0", secrets={"TOKEN": SECRET})]


async def test_refused_and_unknown(proposed: CannedHub) -> None:
    """One is told to the adapter, the other is not."""
    code, out, _ = await proposed.hubctl("approvals", "refuse", "p1")
    assert (code, out) == (0, "The proposal p1 is refused.\n")
    assert decisions(proposed) == [RefuseProposal(id="p1")]
    code, _, error = await proposed.hubctl("approvals", "show", "p2")
    assert (code, error.partition(":")[0]) == (1, "NO_SUCH_PROPOSAL")
