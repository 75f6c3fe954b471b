"""The errors of the hub's own tools (docs/hub-tools.md)."""

from __future__ import annotations

from sidecar.errors import INVALID_PARAMS, URL_ELICITATION_REQUIRED, SidecarError


class NestedHubCall(SidecarError):
    """A tool of the hub was asked to call a tool of the hub."""

    code = "NESTED_HUB_CALL"
    rpc_code = INVALID_PARAMS
    hint = "Call it directly."


class FanOutTooLarge(SidecarError):
    """A result of a fan-out did not fit into what is left for all results together."""

    code = "FAN_OUT_TOO_LARGE"
    hint = "Call this tool alone, or ask it for less."


class RegistryAway(SidecarError):
    """The adapter, which has the catalogue and makes the changes of the registry tools, did not answer in time."""

    code = "REGISTRY_AWAY"
    hint = "Try again, after a look at registry_active: a change may have been made. `hubctl doctor` finds the reason."


class SecretsNeeded(SidecarError):
    """A modern client is to have its user open a page of the hub, and to repeat its call then."""

    code = "SECRETS_NEEDED"
    rpc_code = URL_ELICITATION_REQUIRED
    hint = "Open the page, enter the secrets there, and repeat the call."
