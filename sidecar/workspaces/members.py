"""The servers of a workspace."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.models import ServerSpec
from sidecar.errors import SidecarError
from sidecar.upstream.pool import Holder
from sidecar.upstream.upstream import Upstream

Release = tuple[Upstream, Holder]
"""An upstream that a holder no longer needs."""


@dataclass(slots=True)
class Member:
    """A server in the workspace. While a changed one starts, the one before goes on serving: make before break."""

    spec: ServerSpec
    upstream: Upstream | None
    """None in `per_client` mode, where each session has its own; and where there are as many as there may be."""
    before: Upstream | None = None
    refused: SidecarError | None = None
    """That there are as many as there may be, which is so of a key's own servers only."""

    @property
    def serving(self) -> Upstream | None:
        """The upstream that answers now."""
        return self.before if self.before and self.upstream and not self.upstream.first_attempt_over else self.upstream
