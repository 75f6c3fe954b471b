"""Which changes of a server's definition need another upstream: those that change its fingerprint."""

from __future__ import annotations

import hashlib
import hmac

import orjson

from bridge.models import ServerSpec


def fingerprint(spec: ServerSpec, key: bytes) -> str:
    """HMAC-SHA256 (hex) of launch, session mode, era and container: what the upstream is made from.

    Key, namespace, timeouts and limits are applied without a new upstream, so they do not count. References are not
    expanded: the hub's environment does not change while it runs. Keyed, so that a fingerprint that is shown
    somewhere cannot be used to guess a secret in the definition.
    """
    made_from = {
        "launch": spec.launch.model_dump(mode="json"),
        "session": spec.settings.session,
        "era": spec.settings.era,
        "container": spec.settings.container and spec.settings.container.model_dump(mode="json"),
    }
    return hmac.new(key, orjson.dumps(made_from, option=orjson.OPT_SORT_KEYS), hashlib.sha256).hexdigest()
