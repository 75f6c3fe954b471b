"""The errors of activating, updating and removing servers of the catalogue, and of the variables file."""

from __future__ import annotations

from bridge.errors import HubError


class EntryUnsupported(HubError):
    """An entry of the catalogue has no package and no address that the hub can use, or one that it must not use."""

    code = "CATALOG_ENTRY_UNSUPPORTED"
    hint = "docs/catalog.md lists what the hub can use: packages of npm and PyPI, bundles, images, and remote servers."


class SettingsInvalid(HubError):
    """Settings for an entry of the catalogue are missing or not valid; nothing was installed."""

    code = "SETTINGS_INVALID"
    hint = "`data.inputs` has the reason for each setting; `hubctl catalog show NAME` lists what the entry needs."


class InstallFailed(HubError):
    """The installer of a package failed; nothing of it was kept."""

    code = "INSTALL_FAILED"
    hint = (
        "The message has the installer's own reason; check the version, and whether this machine reaches the registry."
    )


class InstallTimeout(HubError):
    """An installer took too long, and was ended with all its processes; nothing of it was kept."""

    code = "INSTALL_TIMEOUT"
    hint = "Try again; the packages that were loaded are cached. HUB_INSTALL_TIMEOUT is the limit."


class InstallerMissing(HubError):
    """The program that installs packages of this kind is not on this machine: npm, Python's venv, or an engine."""

    code = "INSTALLER_MISSING"
    hint = "Install Node.js with npm for npm packages, podman or docker for images."


class ProgramMissing(HubError):
    """A package was installed, but has no program that the hub could start, or several and none is named."""

    code = "PROGRAM_MISSING"
    hint = "Name the program in the entry: `command` in its `_meta` of `yamcp-hub/catalog`."


class ServerNotStarting(HubError):
    """A server was installed, but does not start with these settings; nothing of it was kept."""

    code = "ACTIVATION_NOT_STARTING"
    hint = "The message has the server's own reason; most often a setting is missing or wrong."


class ActivationCancelled(HubError):
    """An activation was cancelled, or the hub stopped; nothing of it was kept."""

    code = "ACTIVATION_CANCELLED"
    hint = "Start it again if it is still wanted."


class TooManyActivations(HubError):
    """Too many activations wait; the hub runs one at a time."""

    code = "ACTIVATIONS_LIMIT"
    hint = "Wait until some have ended, or cancel some: `hubctl catalog jobs`."


class NoSuchJob(HubError):
    """A request names an activation that the adapter does not know, or that has ended."""

    code = "NO_SUCH_ACTIVATION"
    hint = "Activations are remembered until the adapter ends, the newest 64 of them."


class NotInstalled(HubError):
    """A request names a server that was not activated from the catalogue, or has no version to return to."""

    code = "NOT_INSTALLED"
    hint = "`hubctl catalog installed` lists these servers; other servers are changed with `hubctl edit`."


class VariableInvalid(HubError):
    """The name or value of a variable is not valid, or there are too many; nothing was written."""

    code = "VARIABLE_INVALID"
    hint = "Names are letters, digits and `_`, and do not begin with a digit; values are at most 64 KiB of text."


class VariablesFileBroken(HubError):
    """variables.json cannot be read or parsed; the hub does not overwrite it."""

    code = "VARIABLES_FILE_BROKEN"
    hint = "Repair the file: an object of names and texts. Servers keep the values that were read last."


class NoSuchVariable(HubError):
    """A request names a variable that is not in variables.json."""

    code = "NO_SUCH_VARIABLE"
    hint = "`hubctl catalog variables` lists them; variables of the hub's environment cannot be removed here."


class NoSuchEntry(HubError):
    """A request names an entry, or a version of it, that is in no source of the catalogue."""

    code = "NO_SUCH_ENTRY"
    hint = "`hubctl catalog find TEXT` searches the catalogue; a registry's copy may be old, so refresh its source."
