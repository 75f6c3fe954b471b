"""The errors of the catalogue (docs/errors.md)."""

from __future__ import annotations

from bridge.errors import HubError


class EntryInvalid(HubError):
    """An own entry of the catalogue is not a server.json that the hub can keep."""

    code = "CATALOG_ENTRY_INVALID"
    hint = "docs/catalog.md shows one; the schema of server.json describes all fields."


class EntryDeleted(HubError):
    """An entry of the catalogue was deleted by its publisher. Servers that were added from it stay as they are."""

    code = "CATALOG_ENTRY_DELETED"
    hint = "Choose another version or another entry."


class CatalogFileBroken(HubError):
    """The file of the own entries cannot be read or written. Other sources go on."""

    code = "CATALOG_FILE_BROKEN"
    hint = "Correct or remove the file; it has a list `servers` of entries."


class SourceInvalid(HubError):
    """A source of the catalogue cannot be added: its URL or its id cannot be used, or there are too many."""

    code = "CATALOG_SOURCE_INVALID"
    hint = "Give an http:// or https:// URL without a user name, and an id that is not `own` or `shipped`."


class NoSuchSource(HubError):
    """The catalogue has no registry of that id."""

    code = "NO_SUCH_CATALOG_SOURCE"
    hint = "`hubctl catalog sources` lists the registries."


class RegistryFailed(HubError):
    """A registry did not answer, or not as its API says; the entries that were copied before stay."""

    code = "CATALOG_REGISTRY_FAILED"
    hint = "Check the URL and the network; `hubctl catalog sources refresh ID` tries again."
