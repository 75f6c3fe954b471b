"""Keys of a protected hub, written as the adapter writes them: for tests in which there is no adapter."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from bridge.keys import KeysFile, StoredKey, new_token, token_hash

HUB_TOKEN = "hub-token-Zq3w8Vn2Xc5Rt7Yp"
"""What these tests give in HUB_TOKEN."""


class KeyFile:
    """keys.json of a hub."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "keys.json"
        self.tokens: dict[str, str] = {}
        self._keys: dict[str, StoredKey] = {}

    def add(self, name: str, workspaces: Iterable[str] | None = None, *, admin: bool = False) -> str:
        """Make a key, or give one that is there other workspaces; its token."""
        allowed = None if workspaces is None else tuple(workspaces)
        key = self._keys.get(name)
        if key is None:
            number = f"k{len(self._keys) + 0xA000000:07x}"
            self.tokens[name] = new_token(number)
            made = StoredKey(
                id=number,
                name=name,
                hash=token_hash(self.tokens[name]),
                workspaces=allowed,
                admin=admin,
                created=time.time(),
            )
        else:
            made = key.model_copy(update={"workspaces": allowed})
        self._keys[name] = made
        self._write()
        return self.tokens[name]

    def revoke(self, name: str) -> None:
        """Remove a key."""
        del self._keys[name]
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(KeysFile(keys=tuple(self._keys.values())).model_dump_json())
        new.chmod(0o600)
        new.replace(self.path)
