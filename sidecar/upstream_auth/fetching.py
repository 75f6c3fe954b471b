"""Requests to authorization servers and for metadata, to URLs that a remote server names.

Such a URL must not lead into the hub's own network: a server on the internet could otherwise have the hub send requests
to services that only the hub reaches (server-side request forgery). Answers are limited in size and time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import httpx2

from bridge.models import RemoteLaunch
from sidecar.channels.connections import Connections
from sidecar.channels.web import failure, place, streaming
from sidecar.errors import SidecarError
from sidecar.sign_in_errors import SignInFailed, SignInUnavailable

MAX_BYTES = 256 * 1024
"""Bytes of the longest answer."""
SECONDS = 10.0
"""Seconds that one request may take, its answer included."""
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status and headers (names in lower case), and its body."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether the status is a success."""
        return 200 <= self.status < 300


class Fetcher:
    """Sends requests on behalf of the sign-in at the server with the URL `url`."""

    def __init__(self, connections: Connections, url: str) -> None:
        self._connections = connections
        self.server = http_url(url)
        """The URL for requests over HTTP, which is also the one in metadata."""

    async def check(self, url: str) -> str:
        """Return the URL if the hub may use it, or send a browser to it.

        It must be https, or http on the host of a server that is itself http; and only a server in a private network
        may name an address in one.

        Raises:
            SignInFailed: it may not.
        """
        parts, own = urlsplit(url), urlsplit(self.server)
        try:
            valid = bool(parts.hostname) and parts.port != 0 and not parts.username and not parts.fragment
        except ValueError:
            valid = False
        if not valid or parts.scheme not in ("https", "http"):
            raise SignInFailed(f"{place(self.server)} names an invalid URL for the sign-in.")
        same = parts.hostname == own.hostname and own.scheme == "http"
        local = await _is_inside(parts.hostname or "")
        both_local = local and await _is_inside(own.hostname or "")
        if parts.scheme == "http" and not same and not (both_local and _is_loopback(parts.hostname or "")):
            raise SignInFailed(f"{place(self.server)} names {place(url)} for the sign-in, which is not https.")
        if local and not both_local:
            raise SignInFailed(
                f"{place(self.server)} names {place(url)} for the sign-in, which is in a private network."
            )
        return url

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a URL. Raises SignInFailed (it may not be used), SignInUnavailable (no answer)."""
        return await self.send("GET", url, {"accept": "application/json", **(headers or {})})

    async def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """POST a form. Raises as `get`."""
        content = urlencode(form).encode()
        return await self.send(
            "POST", url, {"accept": "application/json", "content-type": FORM, **(headers or {})}, content
        )

    async def ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> Answer:
        """Send a request to the server itself, at its configured URL; the body of the answer is not read. Raises as
        `get`."""
        return await self._exchange(method, url, headers, content, read=False)

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> Answer:
        """Send a request. Redirects are followed within the origin only. Raises as `get`."""
        await self.check(url)
        return await self._exchange(method, url, headers, content)

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, *, read: bool = True
    ) -> Answer:
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._connections.client(RemoteLaunch(url=url)) as client,
                streaming(client, method, url, headers, content) as response,
            ):
                named = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, await _body(response, url) if read else b"", named)
        except (httpx2.HTTPError, TimeoutError) as error:
            raise SignInUnavailable(failure(error, url, SECONDS).message) from None
        except (SignInFailed, SignInUnavailable):
            raise
        except SidecarError as error:
            raise SignInUnavailable(error.message, hint=error.advice) from None


def http_url(url: str) -> str:
    """The URL of a server, with the scheme of HTTP in place of that of WebSocket (RFC 6455, section 3)."""
    scheme, rest = url[:3].lower(), url[2:]
    return f"http{rest}" if scheme in ("ws:", "wss") else url


async def _body(response: httpx2.Response, url: str) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_BYTES:
            raise SignInFailed(f"{place(url)} answered with more than {MAX_BYTES} bytes.")
        parts.append(part)
    return b"".join(parts)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _is_inside(host: str) -> bool:
    """Whether a host has an address in a private network, or on this machine. Unknown hosts count as outside."""
    if _is_loopback(host):
        return True
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # a proxy may know it
    return any(not ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_global for address in found)
