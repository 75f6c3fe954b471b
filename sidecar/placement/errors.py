"""The errors of servers that only one replica may run."""

from __future__ import annotations

from sidecar.errors import SidecarError


class PlacedElsewhere(SidecarError):
    """Another replica runs this server, whose `placement` is `one`. Nothing was carried out."""

    code = "SERVER_PLACED_ELSEWHERE"
    hint = "Send the request to the replica in `data.replica`; if that one ends, this one may take the server over."


class PlacementUnavailable(PlacedElsewhere):
    """The hub cannot find out whether another replica runs this server, whose `placement` is `one`, and does not run
    it. Nothing was carried out.
    """

    code = "PLACEMENT_UNAVAILABLE"
    hint = (
        "Replicas agree on who runs the server in the database of HUB_CONFIG_DATABASE, or in Kubernetes "
        "(HUB_PLACEMENT): set one of them, and have it answer."
    )
