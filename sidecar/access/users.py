"""Users of an organisation's identity provider: their ids, and what access.json may name them by. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.keys import Principal

_USER_ID = re.compile(r"u[0-9a-f]{15}")


def is_user(principal: Principal) -> bool:
    """Whether a principal is a user, or acts for one; else it is a key, the hub's token, or the front."""
    return is_user_id(principal.id)


def is_user_id(principal: str) -> bool:
    """Whether the principal with that id is a user."""
    return _USER_ID.fullmatch(principal) is not None


def subjects_of_user(user: str, email: str, groups: Iterable[str], roles: Iterable[str]) -> frozenset[str]:
    """The subjects of a user with that id (docs/access.md)."""
    found = {f"user:{user}", *(f"group:{group}" for group in groups), *(f"role:{role}" for role in roles)}
    return frozenset(found | ({f"email:{email.lower()}"} if email else set()))
