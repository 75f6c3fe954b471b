"""What narrows the lists of a server in a view: the rights of the principal, and the workspace's curation. Pure."""

from __future__ import annotations

from bridge.models import Curation, ServerSpec
from sidecar.protocol.in_process import is_hubs_own
from sidecar.routing.curation import ServerCurator, curator_of
from sidecar.routing.rights import Rights, ServerRights, rights_of

NarrowedBy = tuple[ServerRights | None, ServerCurator | None]
"""None where everything may be used, and is shown as it is."""


def narrowing(spec: ServerSpec, rights: Rights | None, curation: Curation | None) -> NarrowedBy:
    """What narrows a server's lists. Rights do not apply to the hub's own tools, which act with those of callers."""
    return None if is_hubs_own(spec) else rights_of(rights, spec.key), curator_of(curation, spec.key)
