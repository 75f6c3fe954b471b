"""Makes the store of sign-ins that the settings ask for. asyncpg is imported only for a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import uuid4

from bridge.settings import Settings
from sidecar.upstream_auth.sealing import Names
from sidecar.upstream_auth.store import SealedFiles, Store

PURPOSE = "hub-upstream-sign-ins-1"
"""The purpose of the key with which records in the database are sealed (`ReplicaSettings.common_key`)."""


def make_store(settings: Settings, kinds: Iterable[str], changed: Callable[[str, Names], None]) -> Store:
    """The store: files, and with a shared configuration and a common secret a database of which they are a copy.

    `kinds` are shared; `changed` is called with what another replica has changed. Raises SettingInvalid.
    """
    files = SealedFiles(settings.sign_ins_dir, settings.data_dir / "sign-ins.key")
    url, key = settings.config_database_url, settings.common_key(PURPOSE)
    if url is None or key is None:
        return files
    from sidecar.upstream_auth.shared.database import SignInDatabase  # noqa: PLC0415  # asyncpg takes 60 ms to import
    from sidecar.upstream_auth.shared.store import SharedStore  # noqa: PLC0415

    return SharedStore(files, SignInDatabase(url, settings.config_schema, uuid4().hex), key, kinds, changed)
