"""The catalogue: what is shipped, found and shown, and the user's own entries."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import HubError
from bridge.models.catalog.entries import CatalogFind, CatalogShow, PutCatalogEntry, RemoveCatalogEntry
from yamcp_ui_adapter.activation.errors import NoSuchEntry
from yamcp_ui_adapter.activation.target import META
from yamcp_ui_adapter.catalog.errors import CatalogFileBroken, EntryDeleted, EntryInvalid
from yamcp_ui_adapter.catalog.registries import Registries
from yamcp_ui_adapter.catalog.server_json import check
from yamcp_ui_adapter.catalog.service import Catalog
from yamcp_ui_adapter.catalog.sources import OWN_FILE, OwnEntries, ShippedEntries

SHIPPED = ShippedEntries().entries()
NOTES: dict[str, Any] = {
    "name": "com.example/notes",
    "description": "Our notes",
    "version": "1.0.0",
    "packages": [{"registryType": "npm", "identifier": "notes", "version": "1.0.0", "transport": {"type": "stdio"}}],
}


def catalog(root: Path, installed: dict[str, str] | None = None) -> Catalog:
    """A catalogue with its data below `root`."""
    own = OwnEntries(root)
    return Catalog(own, ShippedEntries(), Registries(root), lambda: installed or {})


async def names(found: Catalog, text: str, **filters: Any) -> list[str]:
    """The names, without their namespace, of what a search finds."""
    page = await found.handlers()[CatalogFind](CatalogFind(text=text, **filters))
    return [each.name.rpartition("/")[2] for each in page.entries]  # type: ignore[attr-defined]


async def card(found: Catalog, name: str, **more: Any) -> Any:
    """What is shown of an entry."""
    return await found.handlers()[CatalogShow](CatalogShow(name=name, **more))


@pytest.mark.parametrize("entry", SHIPPED, ids=[each["name"] for each in SHIPPED])
async def test_each_shipped_entry_is_valid_and_can_be_added(entry: dict[str, Any], tmp_path: Path) -> None:
    """It has a description, a category and an exact version, and says what it would run."""
    check(entry)
    shown = await card(catalog(tmp_path), entry["name"])
    least = entry["_meta"][META].get("python", "3.11")
    if sys.version_info >= tuple(map(int, least.split("."))):
        assert shown.problem is None and shown.command and shown.reach
    assert shown.summary.category and shown.summary.source == "shipped"
    assert all(package["version"][0].isdigit() for package in entry["packages"])


async def test_words(tmp_path: Path) -> None:
    """Entries with all words come before those with some; the beginning of a word is enough."""
    found = catalog(tmp_path)
    assert (await names(found, "web search"))[0] in ("brave", "tavily", "exa", "duckduckgo")
    assert (await names(found, "postgres")) == ["dbhub"]
    assert (await names(found, "github issues"))[0] == "github"
    assert len(await names(found, "", limit=100)) == len(SHIPPED)
    assert await names(found, "zzyzx") == []
    without_keys = await names(found, "search", without_keys=True)
    assert "duckduckgo" in without_keys and "brave" not in without_keys
    assert set(await names(found, "", category="finance")) == {"yfinance"}
    page = await found.handlers()[CatalogFind](CatalogFind(category="finance"))
    assert {"finance", "search"} <= set(page.categories)


async def test_a_name_without_its_namespace(tmp_path: Path) -> None:
    """It is enough where it fits one entry of the first source that has any; else the error lists those that fit."""
    found = catalog(tmp_path)
    assert (await card(found, "time")).summary.name == "yamcp-hub.catalog/time"
    put = found.handlers()[PutCatalogEntry]
    for namespace in ("com.example", "org.example"):
        await put(PutCatalogEntry(entry={**NOTES, "name": f"{namespace}/notes"}))
    with pytest.raises(NoSuchEntry, match=r"com\.example/notes, org\.example/notes"):
        await found.entry("notes", None, None)
    await put(PutCatalogEntry(entry={**NOTES, "name": "com.example/time"}))
    assert (await card(found, "time")).summary.source == "own"
    assert (await found.entry("time", None, "shipped")).entry["name"] == "yamcp-hub.catalog/time"


async def test_own_entries(tmp_path: Path) -> None:
    """They are kept in a file, count before shipped ones, and may be removed again."""
    found = catalog(tmp_path, {"mine": "com.example/notes"})
    put, remove = found.handlers()[PutCatalogEntry], found.handlers()[RemoveCatalogEntry]
    await put(PutCatalogEntry(entry=NOTES))
    await put(PutCatalogEntry(entry={**NOTES, "version": "1.1.0"}))
    await put(PutCatalogEntry(entry={**NOTES, "version": "1.1.0", "title": "Notes"}))
    assert (tmp_path / OWN_FILE).stat().st_mode & 0o777 == 0o600
    shown = await card(found, "com.example/notes")
    assert (shown.summary.title, shown.versions, shown.summary.installed) == ("Notes", ("1.1.0", "1.0.0"), ("mine",))
    assert (await found.entry("com.example/notes", "1.0.0", None)).local
    await put(PutCatalogEntry(entry={**NOTES, "name": "yamcp-hub.catalog/time"}))
    assert (await card(found, "yamcp-hub.catalog/time")).summary.source == "own"
    assert (await card(found, "yamcp-hub.catalog/time", source="shipped")).summary.source == "shipped"
    await remove(RemoveCatalogEntry(name="com.example/notes"))
    for name in ("com.example/notes", "com.example/other"):
        with pytest.raises(NoSuchEntry):
            await remove(RemoveCatalogEntry(name=name))
        with pytest.raises(NoSuchEntry):
            await card(found, name)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": None}, "name"), ({"name": "no namespace"}, "name"), ({"version": ""}, "version"),
        ({"description": 5}, "description"), ({"description": "x" * 101}, "description"),
        ({"packages": [{**NOTES["packages"][0], "environmentVariables": [5]}]}, "environmentVariables"),
        ({"packages": [{"registryType": "npm"}]}, "packages.0"), ({"x": "y" * 70_000}, "bytes"),
    ],
)  # fmt: skip
async def test_what_is_no_server_json(change: dict[str, Any], place: str, tmp_path: Path) -> None:
    """It is refused with the field that is wrong, and nothing is written."""
    with pytest.raises(EntryInvalid) as refused:
        await catalog(tmp_path).handlers()[PutCatalogEntry](PutCatalogEntry(entry={**NOTES, **change}))
    assert place in refused.value.message and not (tmp_path / OWN_FILE).exists()
    assert place == "bytes" or any(place in field for field in refused.value.data["fields"])


async def test_a_deleted_entry(tmp_path: Path) -> None:
    """It is shown as deleted, agents do not find it, and it cannot be added."""
    found = catalog(tmp_path)
    (tmp_path / "catalog").mkdir()
    (tmp_path / OWN_FILE).write_text(json.dumps({"servers": [{**NOTES, "status": "deleted"}]}))
    assert (await card(found, "com.example/notes")).summary.status == "deleted"
    assert not [each for each in found.found("notes") if each.entry["name"] == "com.example/notes"]
    with pytest.raises(EntryDeleted):
        await found.entry("com.example/notes", None, None)


@pytest.mark.parametrize("text", ["{", "[]", '{"servers": 5}'])
async def test_a_broken_file_of_own_entries(text: str, tmp_path: Path) -> None:
    """Other sources go on, the source says what is wrong, and the file is not overwritten."""
    (tmp_path / "catalog").mkdir()
    (tmp_path / OWN_FILE).write_text(text)
    found = catalog(tmp_path)
    page = await found.handlers()[CatalogFind](CatalogFind(text="time"))
    assert page.total and page.sources[0].error.code == "CATALOG_FILE_BROKEN"  # type: ignore[attr-defined]
    with pytest.raises(CatalogFileBroken):
        await found.handlers()[PutCatalogEntry](PutCatalogEntry(entry=NOTES))
    assert (tmp_path / OWN_FILE).read_text() == text


def test_errors_say_what_to_do() -> None:
    """Each has a hint."""
    assert all(issubclass(each, HubError) and each.hint for each in (EntryInvalid, EntryDeleted, CatalogFileBroken))
