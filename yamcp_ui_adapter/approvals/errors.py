"""The errors of the registry tools, of proposals, and of tickets for secrets."""

from __future__ import annotations

from bridge.errors import HubError


class RegistryOff(HubError):
    """A registry tool was called in a workspace whose `registry` setting does not allow it; nothing was changed."""

    code = "REGISTRY_OFF"
    hint = "An administrator can set `registry` of the workspace to `find`, `ask` or `add`."


class RegistryForbidden(HubError):
    """Who calls a registry tool may not use the workspace, or is not known; nothing was changed."""

    code = "REGISTRY_FORBIDDEN"
    hint = "Ask an administrator of the hub; docs/hub-tools.md says who may change what."


class NoSuchProposal(HubError):
    """A request names a proposal that does not exist, or that is too old to be remembered."""

    code = "NO_SUCH_PROPOSAL"
    hint = "`hubctl approvals` lists the proposals."


class ProposalDecided(HubError):
    """A proposal was already approved, refused, or has expired; nothing was changed."""

    code = "PROPOSAL_DECIDED"
    hint = "Who still wants the change has to propose it again."


class ProposalChanged(HubError):
    """What a proposal would run is no longer what was shown; nothing was changed, and it has a new digest."""

    code = "PROPOSAL_CHANGED"
    hint = "Look at the proposal again, then approve or refuse it: `hubctl approvals show ID`."


class TooManyProposals(HubError):
    """As many proposals wait as the hub keeps, of this principal or in all; none was added."""

    code = "PROPOSALS_LIMIT"
    hint = "An administrator has to approve or refuse some: `hubctl approvals`."


class ApprovalsFileBroken(HubError):
    """approvals.json cannot be read or parsed; the hub does not overwrite it."""

    code = "APPROVALS_FILE_BROKEN"
    hint = "Repair the file, or delete it: then all proposals are forgotten."


class TicketInvalid(HubError):
    """The link to a page for secrets is unknown, was used, has expired, or is for another user; nothing was stored."""

    code = "SECRET_LINK_INVALID"
    hint = "Have the agent ask again, and open the new link within 10 minutes, logged in to the hub as the same user."


class SecretInConversation(HubError):
    """A registry tool got the value of a secret setting, which must not be in a conversation; nothing was changed."""

    code = "SECRET_IN_CONVERSATION"
    hint = "Leave secret settings out: the hub gives a link to a page on which a person enters them."


class SettingUnknown(HubError):
    """A registry tool names a setting that a server does not have, or that cannot be changed once it is installed."""

    code = "SETTING_UNKNOWN"
    hint = "`registry_find` lists the settings of an entry; others are changed by removing and adding the server again."
