"""Messages between sidecar and spawner."""

from sidecar.spawner.wire import Decoder, encode


def test_round_trip_in_pieces() -> None:
    """Messages come out whole and in order, however their bytes are cut."""
    messages = [("spawn", 1, [b"x" * 1000], {b"A": b"\xff"}, b"/", "id"), ("stop", 1, 0.5), ("orphans", [])]
    stream = b"".join(map(encode, messages))
    for size in (1, 7, 1000, 10_000):
        decoder = Decoder()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [message for piece in pieces for message in decoder.feed(piece)] == messages
