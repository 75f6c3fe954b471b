"""What counts as a rename, and what does not."""

from __future__ import annotations

from bridge.models import StdioLaunch
from yamcp_ui_adapter.desired.rename import renamed_servers, renamed_workspaces
from yamcp_ui_adapter.format.entries import ServerEntry, ServersFile, WorkspaceEntry, WorkspacesFile


def servers(**commands: str) -> ServersFile:
    """Servers by key, each with its command."""
    return ServersFile(
        entries={
            key: ServerEntry(key=key, namespace=key, launch=StdioLaunch(command=command))
            for key, command in commands.items()
        }
    )


def workspaces(**members: str) -> WorkspacesFile:
    """Workspaces by name, each with its members as one word of letters."""
    return WorkspacesFile(
        entries={name: WorkspaceEntry(name=name, members=tuple(keys)) for name, keys in members.items()}
    )


def test_a_server_under_a_new_key_with_the_same_definition_was_renamed() -> None:
    """Its namespace usually changes along."""
    assert renamed_servers(servers(a="x", k="y"), servers(k="y", b="x")) == {"a": "b"}


def test_a_copy_beside_the_original_is_no_rename() -> None:
    """The old name has to be gone."""
    assert renamed_servers(servers(a="x"), servers(a="x", b="x")) == {}


def test_a_rename_with_two_candidates_is_none() -> None:
    """Nothing says which of them it was, on either side."""
    assert renamed_servers(servers(a="x"), servers(b="x", c="x")) == {}
    assert renamed_servers(servers(a="x", b="x"), servers(c="x")) == {}


def test_another_definition_is_another_server() -> None:
    """Settings are not handed to strangers."""
    assert renamed_servers(servers(a="x"), servers(b="y")) == {}


def test_a_workspace_with_the_same_members_was_renamed() -> None:
    """In the same order."""
    assert renamed_workspaces(workspaces(w="ab", k="c"), workspaces(v="ab", k="c"), {}) == {"w": "v"}
    assert renamed_workspaces(workspaces(w="ab"), workspaces(v="ba"), {}) == {}


def test_members_renamed_in_the_same_edit_are_the_same_members() -> None:
    """Both files are settled before either is read."""
    assert renamed_workspaces(workspaces(w="ab"), workspaces(v="cb"), {"a": "c"}) == {"w": "v"}
