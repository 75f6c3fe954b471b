"""Identifies a server's definition for its pins. Pure."""

from __future__ import annotations

import hashlib
import hmac

import orjson

from bridge.masking.names import is_secret_name
from bridge.masking.parts import Part, split_arguments, split_url
from bridge.models import ServerSpec, StdioLaunch


def definition_of(spec: ServerSpec, key: bytes) -> str:
    """HMAC-SHA256 (hex) over what is started or connected to, without values of secrets.

    A new password is not a new server, but another command, version, image, address or directory is. Values of
    environment variables and headers do not count, their names do. Keyed, so that nothing can be guessed from it.
    """
    launch, container = spec.launch, spec.settings.container
    made_from: list[object]
    if isinstance(launch, StdioLaunch):
        args = ["".join(map(_open, parts)) for parts in split_arguments(launch.args)]
        made_from = [launch.command, args, launch.cwd, sorted(launch.env)]
    else:
        made_from = ["".join(map(_open, split_url(launch.url))), sorted(launch.headers)]
    image = container.image if container else None
    return hmac.new(key, orjson.dumps([made_from, image]), hashlib.sha256).hexdigest()


def launch_of(spec: ServerSpec, key: bytes) -> str:
    """HMAC-SHA256 (hex) over all that is started or connected to, values of secrets included: two servers with the same
    one are the same server under two keys.
    """
    made_from = [spec.launch.model_dump(mode="json"), spec.settings.container and spec.settings.container.image]
    return hmac.new(key, orjson.dumps(made_from, option=orjson.OPT_SORT_KEYS), hashlib.sha256).hexdigest()


def _open(part: Part) -> str:
    secret = part.kind in ("named", "member", "password") or (part.kind == "parameter" and is_secret_name(part.name))
    return "*" if secret else str(part.text)
