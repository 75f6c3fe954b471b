"""The hub's own token, the front's key and the certificate, as `hubctl run` sees to them; and `hubctl token`."""

from __future__ import annotations

import contextlib
import secrets
import ssl
from pathlib import Path
from urllib.parse import quote

from bridge.errors import SettingInvalid
from bridge.keys import HASH_PREFIX, hash_in, token_hash
from bridge.private import write_file
from bridge.settings import Settings
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, DirectoryUnusable, NoToken
from hubctl.run.container import port_is_the_containers

GIVEN = "token.hash"
"""In the runtime directory: the hash of a token that HUB_TOKEN gave, for the processes to check against."""
NOT_ONE = "holds no token that can be used: 16 to 512 visible ASCII characters"


# --- what `hubctl run` prepares -------------------------------------------------------------------------------------


def prepare_access(settings: Settings) -> tuple[Settings, str | None]:
    """Write what the processes need to check tokens; returns the settings for them, without the token itself.

    Also the hub's token, if it was made just now: it is to be shown.

    Raises:
        SettingInvalid: a token, or its file, cannot be used.
        DirectoryUnusable: a file cannot be written.
    """
    check_token(settings)
    remove(settings.front_key_file, settings.runtime / GIVEN)
    if not settings.protected:
        return settings, None
    write_secret(settings.front_key_file, secrets.token_urlsafe(32))
    if settings.token:
        given = settings.runtime / GIVEN
        write_secret(given, HASH_PREFIX + token_hash(settings.token.get_secret_value()))
        return settings.model_copy(update={"token": None, "token_file": given}), None
    if settings.token_file:
        return settings, None
    if settings.own_token_file.exists():
        with contextlib.suppress(OSError):
            settings.own_token_file.chmod(0o600)
        return settings, None
    return settings, make_token(settings)


def check_token(settings: Settings) -> None:
    """See that the file that is to hold the hub's token does.

    Raises:
        SettingInvalid: it does not, or cannot be read.
    """
    if settings.token or not settings.protected:
        return
    file, name = settings.own_token_file, "HUB_DATA_DIR"
    if settings.token_file:
        file, name = settings.token_file, "HUB_TOKEN_FILE"
    elif not file.exists():
        return
    try:
        usable = hash_in(file.read_text("utf-8", "replace"))
    except OSError as error:
        raise SettingInvalid(f"{name}: {file} cannot be read: {error.strerror}.") from None
    if usable is None:
        hint = None if settings.token_file else "`hubctl token --rotate` makes a new one."
        raise SettingInvalid(f"{name}: {file} {NOT_ONE}.", hint=hint)


def check_certificate(settings: Settings) -> None:
    """See that certificate and key, where they are set, can be read and belong together.

    Raises:
        SettingInvalid: they cannot, or do not.
    """
    if not (settings.tls_cert and settings.tls_key):
        return
    for name, file in (("HUB_TLS_CERT", settings.tls_cert), ("HUB_TLS_KEY", settings.tls_key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise SettingInvalid(f"{name}: {file} cannot be read: {error.strerror}.") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except (ssl.SSLError, ValueError):
        what = f"{settings.tls_cert} and {settings.tls_key} are no certificate (PEM) and its key without a passphrase"
        raise SettingInvalid(f"HUB_TLS_CERT, HUB_TLS_KEY: {what}.") from None


def make_token(settings: Settings) -> str:
    """Make the hub's token anew, in place of any that there is.

    Raises:
        DirectoryUnusable: it cannot be written.
    """
    token = secrets.token_urlsafe(32)
    write_secret(settings.own_token_file, token)
    return token


def write_secret(file: Path, text: str) -> None:
    """Write a line into a file for this user alone, whole or not at all.

    Raises:
        DirectoryUnusable: it cannot be written.
    """
    try:
        write_file(file, f"{text}\n".encode("ascii"))
    except OSError as error:
        raise DirectoryUnusable(f"{file} cannot be written: {error.strerror}") from None


def remove(*files: Path) -> None:
    """Remove what an earlier run left."""
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


# --- what is shown --------------------------------------------------------------------------------------------------


def login_url(settings: Settings, token: str) -> str:
    """The address of the hub's pages that also brings the token: to be clicked."""
    return f"{settings.base_url}/?token={quote(token, safe='')}"


def welcome(settings: Settings, fresh: str | None) -> list[str]:
    """What is told of tokens when the hub starts; `fresh`: the one that was made just now."""
    if not settings.protected:
        return []
    if fresh:
        return [
            "",
            f"  Open {login_url(settings, fresh)}",
            *address_note(settings),
            "  This address has the hub's token in it and is shown only now; `hubctl token` shows it again.",
            "",
        ]
    return ["Pages, API and endpoints want a token: `hubctl token` shows the hub's own, `hubctl keys` makes others."]


def address_note(settings: Settings) -> list[str]:
    """Where the address has the container's own port: that the one under which it is published counts."""
    if not port_is_the_containers(settings):
        return []
    return [
        f"  {settings.port} is the container's port: published under another address or port, that one counts.",
        "  (HUB_PUBLIC_URL says which address to print here.)",
    ]


async def token(context: Context, rotate: bool) -> int:
    """`hubctl token`: show the hub's own token, or make it anew.

    Raises:
        NoToken: there is none, or only its hash is known.
        ArgumentsInvalid: it is to be made anew, but is set somewhere else.
    """
    settings = context.settings
    if rotate:
        if settings.token or settings.token_file:
            setting = "HUB_TOKEN" if settings.token else "HUB_TOKEN_FILE"
            raise ArgumentsInvalid(f"The token is the one that {setting} gives.", hint="Change it there.")
        make_token(settings)
    found = read_token(settings)
    if context.json:
        context.emit({"token": found, "url": login_url(settings, found)})
    else:
        context.say(f"Token  {found}", f"Open   {login_url(settings, found)}", *address_note(settings))
        if not settings.protected:
            context.say("The hub listens on loopback and asks for no token; it would if HUB_TOKEN were set.")
    return 0


def read_token(settings: Settings) -> str:
    """The hub's own token. Raises NoToken."""
    if settings.token:
        return settings.token.get_secret_value()
    file = settings.token_file or settings.own_token_file
    try:
        text = file.read_text("utf-8", "replace").strip()
    except FileNotFoundError:
        raise NoToken(f"There is no token in {file}.") from None
    except OSError as error:
        raise NoToken(f"{file} cannot be read: {error.strerror}.") from None
    if text.startswith(HASH_PREFIX):
        raise NoToken(f"{file} has only the hash of the token.")
    if hash_in(text) is None:
        raise NoToken(f"{file} {NOT_ONE}.")
    return text
