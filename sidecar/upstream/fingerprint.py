"""The fingerprint of a server's definition: servers with the same one share an upstream; a change needs a new one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import orjson

from bridge.models import ServerSpec
from sidecar.upstream.variables import names_in


def fingerprint(spec: ServerSpec, key: bytes, variables: Mapping[str, str] | None = None) -> str:
    """HMAC-SHA256 (hex) over launch, session mode, era, container, the limits of its processes, `keep`;
    where the hub signs in, also over `sign_in` and the server's key, and so with `placement` `one`.

    Namespace, timeouts and limits of requests are not included: an upstream takes over changes of these. `variables`
    are the values of variables.json, of which those are included that the launch refers to; the hub's environment does
    not change while it runs. The hash is keyed, so that a fingerprint in a log cannot be used to guess a secret.
    """
    made_from: dict[str, Any] = {
        "launch": spec.launch.model_dump(mode="json"),
        "session": spec.settings.session,
        "era": spec.settings.era,
        "container": spec.settings.container and spec.settings.container.model_dump(mode="json"),
        "limits": spec.settings.limits and spec.settings.limits.model_dump(mode="json"),
        "keep": spec.settings.keep,
    }
    if variables and (used := {name: variables[name] for name in names_in(spec.launch) if name in variables}):
        made_from["variables"] = used
    if spec.settings.placement != "each":
        made_from["placement"] = [spec.settings.placement, spec.key]  # each server has a lease of its own
    if spec.settings.sign_in != "none":
        made_from["sign_in"] = [spec.settings.sign_in, spec.key]  # each server has sign-ins of its own
    return hmac.new(key, orjson.dumps(made_from, option=orjson.OPT_SORT_KEYS), hashlib.sha256).hexdigest()
