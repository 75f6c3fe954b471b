"""Checks the hub's secret at its OpenID Connect provider, and writes it to the file from which the front reads it."""

from __future__ import annotations

from bridge.errors import SettingInvalid
from bridge.settings import Settings
from hubctl.run.access import remove, write_secret

MAX_SECRET_BYTES = 4096


def prepare_client_secret(settings: Settings) -> Settings:
    """Return the settings of the hub's processes: with the file of the client secret in place of the secret.

    Raises:
        SettingInvalid: the file that the user named cannot be used.
        DirectoryUnusable: the hub's own file cannot be written.
    """
    file = settings.oidc_secret_file
    remove(file)
    if settings.oidc_client_secret_file:
        check_secret_file(settings)
    if not settings.oidc_client_secret:
        return settings
    write_secret(file, settings.oidc_client_secret.get_secret_value())
    return settings.model_copy(update={"oidc_client_secret": None, "oidc_client_secret_file": file})


def check_secret_file(settings: Settings) -> None:
    """Check the file of HUB_OIDC_CLIENT_SECRET_FILE. Raises SettingInvalid."""
    file, name = settings.oidc_client_secret_file, "HUB_OIDC_CLIENT_SECRET_FILE"
    if file is None:
        return
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise SettingInvalid(f"{name}: {file} cannot be read: {error.strerror}.") from None
    if not content.strip() or len(content) > MAX_SECRET_BYTES:
        raise SettingInvalid(f"{name}: {file} is empty, or longer than {MAX_SECRET_BYTES} bytes.")
