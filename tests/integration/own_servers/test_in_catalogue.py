"""The catalogue's entries for a user's files: a Python file, and an OpenAPI document with a secret header."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.models.catalog.activation import ReadInstalled, RemoveInstalled
from bridge.models.catalog.entries import CatalogFind, CatalogShow
from tests.integration.activation.test_activation import activated, called, files_with
from tests.integration.own_servers.test_own_servers import OPENAPI, shop
from tests.support.hub import running
from tests.support.run import hubctl

pytestmark = pytest.mark.outside

SECRET = "marked-Hx3Kp9Wd2Lm6"  # it is the marker
FILE = "yamcp-hub.catalog/python-file"
DOCUMENT = "yamcp-hub.catalog/openapi-document"


async def test_files_of_the_user_are_found_added_called_and_removed(tmp_path: Path) -> None:
    """By the form that every entry has, and by hubctl; the header's secret is in variables.json only."""
    code, document = tmp_path / "prices.py", tmp_path / "shop.json"
    code.write_text("def price(pieces: int) -> float:\n    return 2.5 * pieces\n")
    document.write_text(json.dumps(OPENAPI))
    async with running({}, {"w": []}) as hub, shop() as (url, requests):
        for words, name in (("python file", FILE), ("openapi", DOCUMENT)):
            page = await hub.desired.request(CatalogFind(text=words))
            assert page.entries[0].name == name
        card = await hub.desired.request(CatalogShow(name=FILE))
        assert [(each.name, each.format, each.required) for each in card.inputs] == [("file", "filepath", True)]

        add = ("catalog", "add", FILE, "--workspace", "w", "--key", "prices", "--yes", "--set")
        status, out, err = await hubctl(hub.env, *add, f"file={code}")
        assert (status, "with 1 tool" in out) == (0, True), out + err
        assert await called(hub, "prices_price", pieces=4) == "10.0"
        missing = await hubctl(hub.env, *add[:5], "--key", "other", "--yes", "--set", f"file={tmp_path}/gone.py")
        assert (missing[0], "there is no such file" in missing[1]) == (1, True), missing

        values = {"document": str(document), "--url": url}
        await activated(hub, DOCUMENT, key="shop", values=values, secrets={"OPENAPI_HEADER": f"Bearer {SECRET}"})
        assert json.loads(await called(hub, "shop_getItem", id=7)) == {"name": "pen"}
        assert requests[-1][1]["authorization"] == f"Bearer {SECRET}"
        assert files_with(hub.root, SECRET) == {"data/variables.json"}

        kinds = {each.key: each.kind for each in (await hub.desired.request(ReadInstalled())).servers}
        assert kinds == dict.fromkeys(("prices", "shop"), "hub")
        for key in kinds:
            await hub.desired.request(RemoveInstalled(key=key), timeout=100)
        assert code.exists() and document.exists()
