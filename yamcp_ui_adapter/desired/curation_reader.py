"""Answers `curation` over the bridge: the curation of a workspace, with the hash that `set_workspace` compares."""

from __future__ import annotations

from bridge.models.curation import Curation, CurationNow, ReadCuration
from bridge.server import Handlers
from yamcp_ui_adapter.desired.state import DesiredState
from yamcp_ui_adapter.errors import NoSuchWorkspace


def curation_handlers(state: DesiredState) -> Handlers:
    """Return the handler of the request on the desired socket."""

    async def read(request: ReadCuration) -> CurationNow:
        """Raises NoSuchWorkspace."""
        spec = next((each for each in state.snapshot.workspaces if each.name == request.workspace), None)
        if spec is None:
            raise NoSuchWorkspace(f"There is no workspace {request.workspace!r}.")
        curation = spec.curation or Curation()
        return CurationNow(curation=curation, hash=curation.hash)

    return {ReadCuration: read}
