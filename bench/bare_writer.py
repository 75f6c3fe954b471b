"""A server over Streamable HTTP that answers each request with the same result: what writing the bytes costs.

    python -m bench.bare_writer PORT < result.json

uvicorn, as the hub runs it. The result is encoded once; of a request only the id is read.
"""

from __future__ import annotations

import sys
from typing import Any

import orjson
import uvicorn


def app_of(result: bytes) -> Any:
    """The ASGI application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        frame = orjson.loads(body)
        status, answer = 202, b""
        if "id" in frame:
            status, answer = 200, b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (frame["id"], result)
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    uvicorn.run(
        app_of(sys.stdin.buffer.read()),
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=75,
    )
