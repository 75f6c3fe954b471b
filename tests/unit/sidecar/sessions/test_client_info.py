"""What lists of sessions keep of what a client says of itself."""

from __future__ import annotations

from sidecar.sessions.client_info import MAX_TEXT_CHARACTERS, MOST_CAPABILITIES, ClientInfo, client_info


def test_what_a_client_says() -> None:
    """Name, version and protocol version; capabilities by name, extensions by identifier."""
    capabilities = {"roots": {"listChanged": True}, "elicitation": {}, "extensions": {"io.example/ui": {}}}
    assert client_info({"name": "Client", "version": "1.2"}, "2025-11-25", capabilities) == ClientInfo(
        "Client", "1.2", "2025-11-25", ("elicitation", "io.example/ui", "roots")
    )


def test_of_another_type() -> None:
    """What is not as the specification has it is left out."""
    assert client_info(["x"], 5, "roots") == ClientInfo()
    assert client_info({"name": {"x": 1}, "version": 2}, None, {"extensions": ["x"]}) == ClientInfo()


def test_of_megabytes() -> None:
    """Texts, and how many there are, are bounded."""
    long = "x" * 1_000_000
    info = client_info({"name": long, "version": long}, long, {f"{number:04}{long}": {} for number in range(50)})
    assert [len(info.name), len(info.version), len(info.protocol_version)] == [MAX_TEXT_CHARACTERS] * 3
    assert len(info.capabilities) == MOST_CAPABILITIES
    assert {len(name) for name in info.capabilities} == {MAX_TEXT_CHARACTERS}
