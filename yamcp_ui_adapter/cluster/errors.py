"""The errors of a configuration that several hubs share; each has a stable code."""

from __future__ import annotations

from bridge.errors import HubError


class ConfigDatabaseUnavailable(HubError):
    """The database of the shared configuration cannot be reached, so an edit, a sign-in or a token was refused. Calls
    are not affected: the hub uses its last good copy.
    """

    code = "CONFIG_DATABASE_UNAVAILABLE"
    hint = "Start the database, or correct HUB_CONFIG_DATABASE; the hub connects again by itself. Then repeat it."


class ConfigNotImported(HubError):
    """The database of the shared configuration has no configuration yet, so there is nothing that could be edited."""

    code = "CONFIG_NOT_IMPORTED"
    hint = "Run `hubctl cluster import` at the hub whose configuration all hubs are to have."


class ConfigReadOnly(HubError):
    """An edit would change a file that HUB_CONFIG_DIR provides; the hub only reads that directory."""

    code = "CONFIG_READ_ONLY"
    hint = "Change the file where it is kept (such as in git) and roll it out; hubs follow the directory by themselves."


class ConfigDirUnusable(HubError):
    """HUB_CONFIG_DIR cannot be read. Calls are not affected: the hub uses its last good copy."""

    code = "CONFIG_DIR_UNUSABLE"
    hint = "Mount the directory, and let the user that runs the hub read it; the hub looks again by itself."


class ConfigSchemaNewer(HubError):
    """A newer hub made the schema of the shared configuration; this version neither reads nor changes it."""

    code = "CONFIG_SCHEMA_NEWER"
    hint = "Update this hub, or give it another HUB_CONFIG_SCHEMA."


class ConfigDiffers(HubError):
    """An import would replace a configuration that is in the database already."""

    code = "CONFIG_DIFFERS"
    hint = "Compare with `hubctl cluster import --dry-run`; `--replace` replaces it. Earlier versions are kept."


class ConfigInvalid(HubError):
    """An import has a document that is not a JSON object, or that the hub does not know. Nothing was written."""

    code = "CONFIG_INVALID"
    hint = "Repair the document; `hubctl cluster export DIRECTORY` shows the names and their form."


class ClusterOff(HubError):
    """A request about the shared configuration, but this hub has its configuration in its own files alone."""

    code = "CLUSTER_OFF"
    hint = "Set HUB_CONFIG_DATABASE, and start the hub again (docs/cluster.md)."
