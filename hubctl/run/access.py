"""`hubctl run`'s part in access control: the hub's token, the front's key, the certificate; and `hubctl token`."""

from __future__ import annotations

import contextlib
import secrets
import ssl
from pathlib import Path
from urllib.parse import quote

from bridge.errors import SettingInvalid
from bridge.front_settings import COOKIE_KEY_FILE
from bridge.keys import HASH_PREFIX, hash_in, token_hash
from bridge.private import write_file
from bridge.settings import Settings
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, DirectoryUnusable, NoToken
from hubctl.run.container import port_is_the_containers

COOKIES = "hub-login-cookies-1"
"""The purpose of the key of cookies that replicas have in common (`ReplicaSettings.common_key`)."""
HASH_FILE = "token.hash"
"""File in the runtime directory with the hash of HUB_TOKEN, from which the processes check tokens."""
NOT_ONE = "holds no token that can be used: 16 to 512 visible ASCII characters"


# --- what `hubctl run` prepares -------------------------------------------------------------------------------------


def prepare_access(settings: Settings) -> tuple[Settings, str | None]:
    """Write the files from which the processes check tokens; return their settings without the token.

    Also return the hub's token if it was generated now and is to be shown.

    Raises:
        SettingInvalid: a token, or its file, is invalid.
        DirectoryUnusable: a file cannot be written.
    """
    check_token(settings)
    remove(settings.front_key_file, settings.runtime / HASH_FILE)
    if not settings.protected:
        return settings, None
    write_secret(settings.front_key_file, secrets.token_urlsafe(32))
    if cookies := settings.common_key(COOKIES):
        write_private(settings.data_dir / COOKIE_KEY_FILE, cookies)
    if settings.token:
        given = settings.runtime / HASH_FILE
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
    """Check the file that contains the hub's token.

    Raises:
        SettingInvalid: the file is unreadable, or contains no valid token.
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
    """Check that the certificate and the key, if set, are readable and belong together.

    Raises:
        SettingInvalid: they are unreadable, or do not match.
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
    """Generate a new token for the hub; it replaces the existing one.

    Raises:
        DirectoryUnusable: the file cannot be written.
    """
    token = secrets.token_urlsafe(32)
    write_secret(settings.own_token_file, token)
    return token


def write_secret(file: Path, text: str) -> None:
    """Write a line into a file of mode 0600, atomically.

    Raises:
        DirectoryUnusable: the file cannot be written.
    """
    write_private(file, f"{text}\n".encode("ascii"))


def write_private(file: Path, content: bytes) -> None:
    """Write a file of mode 0600, atomically.

    Raises:
        DirectoryUnusable: the file cannot be written.
    """
    try:
        write_file(file, content)
    except OSError as error:
        raise DirectoryUnusable(f"{file} cannot be written: {error.strerror}") from None


def remove(*files: Path) -> None:
    """Remove a file that an earlier run left."""
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


# --- what is shown --------------------------------------------------------------------------------------------------


def login_url(settings: Settings, token: str) -> str:
    """Return the address of the hub's pages with the token in it: a link that signs in."""
    return f"{settings.base_url}/?token={quote(token, safe='')}"


def welcome(settings: Settings, fresh: str | None) -> list[str]:
    """Return the lines about tokens that are printed at start; `fresh`: the token that was generated now."""
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
    """Say that the address has the container's own port, and that the published port is the one to use."""
    if not port_is_the_containers(settings):
        return []
    return [
        f"  {settings.port} is the container's port: published under another address or port, that one counts.",
        "  (HUB_PUBLIC_URL says which address to print here.)",
    ]


async def token(context: Context, rotate: bool) -> int:
    """Run `hubctl token`: print the hub's token, or generate a new one.

    Raises:
        NoToken: the hub has no token, or only its hash is known here.
        ArgumentsInvalid: a new token was requested, but the token is set elsewhere.
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
    """Return the hub's token. Raises NoToken."""
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
