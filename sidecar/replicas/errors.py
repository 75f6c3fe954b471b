"""The errors of requests that one replica of the hub hands to another one."""

from __future__ import annotations

from sidecar.errors import INVALID_REQUEST, SidecarError


class ReplicaSignatureInvalid(SidecarError):
    """A request says that a replica has handed it over, and its signature is wrong, old, or was used before."""

    code = "REPLICA_SIGNATURE_INVALID"
    status = 403
    rpc_code = INVALID_REQUEST
    hint = "Give all replicas the same secret (HUB_REPLICAS_SECRET_FILE), and compare their clocks."


class ReplicaLoop(SidecarError):
    """A replica has handed over a request for another replica than this one, so it would be handed over again."""

    code = "REPLICA_LOOP"
    status = 508
    rpc_code = INVALID_REQUEST
    hint = "Correct the addresses in HUB_REPLICAS: each has to be that of the replica itself, not of the load balancer."


class ReplicaLost(SidecarError):
    """The replica that has the session ended, or could not be reached any more, while it had the request."""

    code = "REPLICA_LOST"
    status = 502
    hint = "The request may have been carried out. The next one is served by another replica."


class ReplicaBusy(SidecarError):
    """Too many requests are being handed to one replica."""

    code = "REPLICA_BUSY"
    status = 503
    retry_after = 2
    hint = "Wait for answers before sending more. Let the load balancer route by replica, as docs/scaling.md describes."


class PlacedChannelLost(SidecarError):
    """Another replica sends messages for a server over a channel that has ended here."""

    code = "PLACED_CHANNEL_LOST"
    status = 404
    rpc_code = INVALID_REQUEST
    hint = "The other replica opens a new channel by itself."


class HubDraining(SidecarError):
    """A client opens a session at a replica that is about to stop."""

    code = "HUB_DRAINING"
    status = 503
    retry_after = 2
    hint = "Connect again: the load balancer then chooses another replica."


class ReplicasOff(SidecarError):
    """Somebody wants to drain a hub that has no other replicas, or asks for their logs."""

    code = "REPLICAS_OFF"
    hint = "Set HUB_REPLICAS (docs/scaling.md), or use `hubctl reload`, which replaces a hub that is alone."


class ReplicaUnknown(SidecarError):
    """Somebody asks for the logs of a replica that HUB_REPLICAS does not have."""

    code = "REPLICA_UNKNOWN"
    status = 404
    hint = "Give a name of `HUB_REPLICAS`, or `all` for all replicas."


class ReplicaSilent(SidecarError):
    """A replica did not answer when it was asked for its logs."""

    code = "REPLICA_SILENT"
    status = 504
    hint = "Check that it runs, and its address in HUB_REPLICAS; `hubctl cluster status` shows how replicas are."
