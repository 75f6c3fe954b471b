"""The user of an MCP client that signs in: opens the hub's pages as a browser does, logs in, and allows access."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

HTML = {"Accept": "text/html"}
FORM_FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
SECRET = re.compile(r"[#&]hub_page=([\w-]+)$")


class OAuthUser:
    """A browser with the cookies and the page's secret of one login, which begins with the first page that asks."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self.token = token
        """What the user logs in with."""
        self.secret = ""
        self.pages: list[str] = []
        """The consent pages that were shown."""
        self.http = httpx2.AsyncClient(base_url=base, timeout=100, headers=HTML)

    async def allow(self, url: str, *, decision: str = "approve") -> str:
        """Open the URL of an authorization request, and answer its question; return the URL that this leads to."""
        answer = await self.http.get(url)
        if "/login" in answer.headers.get("location", ""):
            answer = await self.http.get(urljoin(self.base, await self._log_in(answer.headers["location"])))
        if answer.status_code == 303:
            return answer.headers["location"]
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        self.pages.append(answer.text)
        fields = {name: html.unescape(value) for name, value in FORM_FIELD.findall(answer.text)}
        form = fields | {"hub_page": self.secret, "decision": decision}
        done = await self.http.post("/oauth/consent", data=form, headers={"Origin": self.base})
        assert done.status_code == 303, f"{done.status_code} {done.text}"
        return done.headers["location"]

    async def answered(self, url: str) -> dict[str, str]:
        """The parameters with which an authorization request is answered after the user has allowed access."""
        return {name: values[0] for name, values in parse_qs(urlsplit(await self.allow(url)).query).items()}

    async def account(self, method: str = "GET", path: str = "") -> httpx2.Response:
        """A request of the page of the account, which sends the page's secret."""
        own = {"X-Hub-Page": self.secret, "Origin": self.base}
        return await self.http.request(method, f"/api/account{path}", headers=own)

    async def _log_in(self, location: str) -> str:
        """Fill in the login page; return the path that it leads back to."""
        [path] = parse_qs(urlsplit(location).query)["next"]
        form = {"token": self.token, "next": path}
        answer = await self.http.post("/login", data=form, headers={"Origin": self.base})
        assert answer.status_code == 303, f"{answer.status_code} {answer.text}"
        found = SECRET.search(answer.headers["location"])
        assert found, answer.headers["location"]
        self.secret = found[1]
        return answer.headers["location"].partition("#")[0]

    async def close(self) -> None:
        """Close the browser."""
        await self.http.aclose()
