"""Whether a shared server offers more to clients with features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import CommandMissing
from sidecar.protocol.catalog import Catalog
from sidecar.protocol.extensions import SHARED_CONNECTION
from sidecar.upstream.feature_probe import describe_surplus
from tests.support.fake_server import FakeServer, echo, settle, until
from tests.support.inprocess import Recorder, World, space, world

pytestmark = pytest.mark.outside


class Shy(FakeServer):
    """A server with a tool for clients with sampling, that asks for roots at once."""

    def __init__(self, name: str = "shy") -> None:
        super().__init__(name)
        self.features: list[list[str]] = []
        self.handlers["initialize"] = self._welcomed

    def _welcomed(self, channel: Any, frame: Any) -> dict[str, Any]:
        capabilities = frame["params"]["capabilities"]
        assert capabilities.pop("extensions", SHARED_CONNECTION) == SHARED_CONNECTION, (
            "what is compared declares the same extensions"
        )
        features = sorted(capabilities)
        self.features.append(features)
        self.tools = {"echo": echo, **({"ask": echo} if "sampling" in features else {})}
        return self._welcome(frame["params"])


def client(*features: str) -> Recorder:
    """A client that declared these."""
    made = Recorder()
    made.capabilities = {feature: {} for feature in features}
    return made


async def hints(made: World, key: str = "a") -> tuple[str, ...]:
    """Those in the status of a server."""
    return next(server.hints for server in (await made.reporter.status()).servers if server.key == key)


async def test_a_server_that_offers_more(tmp_path: Path) -> None:
    """A client with features that lists has the server looked at: once for each feature, and closed at once."""
    server = Shy()
    async with world(tmp_path, server) as made:
        made.put(server.spec("a"), space("a"))
        await made.settled()
        assert await made.tools(client()) == ["a_echo"]
        await settle()
        assert server.features == [[]]
        await made.tools(client("roots"))
        await until(lambda: len(server.features) == 2 and server.open == 1)
        assert await hints(made) == ()
        made.events.clear()
        assert await made.tools(client("sampling", "roots")) == ["a_echo"]
        await until(lambda: made.hub.probes.hints(made.workspace().members["a"].upstream.fingerprint))  # type: ignore[union-attr]
        await until(lambda: server.open == 1)
        (hint,) = await hints(made)
        assert "roots and sampling the server offers more: tools ask." in hint
        assert "`per_client`" in hint
        assert [event.subject for event in made.events if event.topic == "server"] == ["a"]
        for features in (["sampling"], ["roots"], ["sampling", "roots"], ["experimental"]):
            await made.tools(client(*features))
        await settle()
        assert server.features == [[], ["roots"], ["roots", "sampling"]]
        assert await made.tools(client("sampling")) == ["a_echo"]
        made.put(server.spec("a", session="per_client"))
        await made.settled()
        assert await hints(made) == ()


async def test_not_where_it_is_not_wanted(tmp_path: Path) -> None:
    """Nothing is looked at that is switched off by the setting, per client, or not ready."""
    server, own, away = Shy("shared"), Shy("own"), Shy("away")
    away.refusal = CommandMissing("no such program")
    for setting in (False, True):
        async with world(tmp_path, server, own, away, probe_features=setting) as made:
            specs = [own.spec("b", session="per_client"), away.spec("c")]
            made.put(server.spec("a"), *specs, space(*(["a"] if not setting else []), "b", "c"))
            await made.settled()
            session = client("sampling")
            made.workspace().join(session)
            await made.tools(session)
            await settle()
            made.workspace().leave(session)
    assert server.features == [[]]
    assert own.features == [["sampling"]] * 2
    assert away.features == []


async def test_a_server_that_cannot_be_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A look that fails, by the server or by the hub, is logged and not repeated; the next server gets its own."""
    failing, broken, server = Shy("failing"), Shy("broken"), Shy("server")
    caplog.set_level("INFO", "sidecar.upstream.feature_probe")
    async with world(tmp_path, failing, broken, server) as made:
        made.put(failing.spec("a"), broken.spec("b"), server.spec("c"), space("a", "b", "c"))
        await made.settled()
        failing.refusal, broken.refusal = CommandMissing("no such program"), RuntimeError("a fault")
        for _ in range(2):
            await made.tools(client("sampling"))
            await until(lambda: len(server.features) == 2)
            await settle()
        assert [await hints(made, key) for key in "ab"] == [(), ()]
        reasons = [
            getattr(record, "reason", "")
            for record in caplog.records
            if record.name == "sidecar.upstream.feature_probe"
        ]
        assert reasons == ["no such program", "a fault"]


def test_what_is_more_in_words() -> None:
    """Names are shown, but not without end."""
    names = tuple({"name": f"{number}" + "x" * 100} for number in range(7))
    rich = Catalog(tools=names, resources=({"uri": "a://b", "name": "n"},), templates=({"uriTemplate": "a://{b}"},))
    words = describe_surplus(rich, Catalog(tools=names[:1]))
    assert words.startswith("tools 1xxx")
    assert words.endswith(" and 1 others; resources a://b; templates a://{b}")
    assert len(words) < 500
    assert describe_surplus(rich, rich) == ""
