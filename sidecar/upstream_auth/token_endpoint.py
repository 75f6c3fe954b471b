"""Requests to the token endpoint and the revocation endpoint (OAuth 2.1, 3.2; RFC 7009; RFC 8707)."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from urllib.parse import quote

from mcp.shared.auth import OAuthToken
from pydantic import ValidationError

from sidecar.channels.web import place
from sidecar.sign_in_errors import SignInFailed, SignInUnavailable
from sidecar.upstream_auth.credential import Credential
from sidecar.upstream_auth.fetching import Answer, Fetcher
from sidecar.upstream_auth.registration import Client

NO_EXPIRY = 10 * 365 * 86_400
"""Seconds beyond which an `expires_in` counts as none."""


class GrantRefused(SignInFailed):
    """The token endpoint refuses the code or the refresh token. `error`: the code of RFC 6749, 5.2."""

    error = ""


async def redeem(
    fetcher: Fetcher,
    endpoint: str,
    client: Client,
    *,
    code: str,
    verifier: str,
    redirect_uri: str,
    resource: str | None,
) -> OAuthToken:
    """Exchange an authorization code for tokens.

    Raises:
        GrantRefused: the code is not accepted.
        SignInFailed: the answer is not valid.
        SignInUnavailable: there is no answer.
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    return await _tokens(fetcher, endpoint, client, form, resource)


async def refresh(fetcher: Fetcher, credential: Credential) -> OAuthToken:
    """Get new tokens with the refresh token. Raises as `redeem`."""
    form = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token or ""}
    return await _tokens(fetcher, credential.token_endpoint, credential.client, form, credential.resource)


async def revoke(fetcher: Fetcher, credential: Credential) -> None:
    """Revoke the tokens, if the server can; failures are ignored, since the hub forgets the tokens in any case."""
    if credential.revocation_endpoint is None:
        return
    for token, kind in ((credential.refresh_token, "refresh_token"), (credential.access_token, "access_token")):
        if token:
            form, headers = _authenticated(credential.client, {"token": token, "token_type_hint": kind})
            with contextlib.suppress(SignInFailed, SignInUnavailable):
                await fetcher.post_form(credential.revocation_endpoint, form, headers)


def expiry(token: OAuthToken) -> float | None:
    """When an access token that has just come ends (Unix time); None if that is not known."""
    seconds = token.expires_in
    return time.time() + seconds if seconds is not None and 0 < seconds < NO_EXPIRY else None


async def _tokens(
    fetcher: Fetcher, endpoint: str, client: Client, form: dict[str, str], resource: str | None
) -> OAuthToken:
    form, headers = _authenticated(client, {**form, **({"resource": resource} if resource else {})})
    answer = await fetcher.post_form(endpoint, form, headers)
    if not answer.good:
        raise _refusal(endpoint, answer)
    try:
        return OAuthToken.model_validate_json(answer.body)
    except ValidationError:
        raise SignInFailed(f"{place(endpoint)} answers without a bearer token.") from None


def _authenticated(client: Client, form: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The form and the headers of a request that authenticates the hub (OAuth 2.1, 2.4)."""
    form = {**form, "client_id": client.client_id}  # some servers want it beside the header, too
    if client.auth_method == "client_secret_basic" and client.client_secret:
        pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
        return form, {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if client.auth_method == "client_secret_post" and client.client_secret:
        form["client_secret"] = client.client_secret
    return form, {}


def _refusal(endpoint: str, answer: Answer) -> SignInFailed | SignInUnavailable:
    if answer.status >= 500 or answer.status == 429:
        return SignInUnavailable(f"{place(endpoint)} answers with HTTP {answer.status}.")
    try:
        body = json.loads(answer.body)
        error = str(body.get("error", "")) if isinstance(body, dict) else ""
    except ValueError:
        error = ""
    if answer.status not in (400, 401, 403) or not error:
        return SignInUnavailable(f"{place(endpoint)} answers with HTTP {answer.status}.")
    if error in ("temporarily_unavailable", "slow_down"):
        return SignInUnavailable(f"{place(endpoint)} answers {error}.")
    shown = error if error.isascii() and error.replace("_", "").isalnum() and len(error) <= 60 else "an error"
    refused = GrantRefused(f"{place(endpoint)} answers {shown}.")
    refused.error = error
    return refused
