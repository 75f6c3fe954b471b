"""A server as a member of a workspace, with its upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.models import ServerSpec
from sidecar.errors import SidecarError
from sidecar.protocol.in_process import is_hubs_own
from sidecar.upstream.pool import Holder
from sidecar.upstream.upstream import Upstream

Release = tuple[Upstream, Holder]
"""An upstream that its holder no longer needs."""


@dataclass(slots=True)
class Member:
    """A server of a workspace. While a changed one starts, the former upstream (`before`) goes on serving."""

    spec: ServerSpec
    upstream: Upstream | None
    """None in `per_client` mode, where each session has its own upstream, and if it was refused."""
    before: Upstream | None = None
    refused: SidecarError | None = None
    """The error if `max_instances` did not allow an upstream; possible for upstreams of a single key only."""

    @property
    def serving(self) -> Upstream | None:
        """The upstream that serves requests now."""
        return self.before if self.before and self.upstream and not self.upstream.first_attempt_over else self.upstream

    @property
    def serves(self) -> bool:
        """Whether requests reach the server; one that is `per_client`, or sleeps, is started by the request, and where
        each user signs in, the request has the user do that."""
        serving = self.serving
        if serving is None or serving.state == "ready" or serving.sleep.wakes:
            return True
        return serving.state == "sign_in_required" and self.spec.settings.sign_in == "user"


def namespaces(members: Mapping[str, Member]) -> dict[str, str]:
    """The namespaces of the configured servers, by key."""
    return {key: member.spec.namespace for key, member in members.items() if not is_hubs_own(member.spec)}
