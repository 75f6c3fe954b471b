"""Which changes of a server's definition need another upstream: those that change its fingerprint."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import orjson

from bridge.models import ServerSpec

KEY_BYTES = 32


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


def load_key(path: Path) -> bytes:
    """The local key: read from `path`, or made there once (32 random bytes, mode 0600).

    Raises:
        OSError: the file can be neither read nor made.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    return key if len(key) == KEY_BYTES else _make_key(path)


def _make_key(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
    draft.replace(path)
    return key
