"""Log filters know the adapter's loggers by name, so a module that moves keeps the name of its logger."""

from __future__ import annotations

import importlib
import pkgutil

import yamcp_ui_adapter

NAMES = {
    "access",
    "activation.install.folders",
    "activation.jobs",
    "activation.service",
    "activation.work",
    "approvals",
    "app",
    "catalog.registries",
    "cluster.copy",
    "cluster.shared",
    "desired",
    "desired.change_log",
    "key_uses",
    "keys",
    "publish",
    "seed",
    "sign_in.ledger",
    "sign_in.on_demand",
    "sign_in.reports",
    "sign_in.shared.journal",
    "sign_in.store",
    "sign_in.upkeep",
    "state",
    "store",
    "watch",
    "writer",
}


def test_loggers_keep_their_names() -> None:
    """A further logger is added here; none of these goes away or changes."""
    found = set()
    for module in pkgutil.walk_packages(yamcp_ui_adapter.__path__, "yamcp_ui_adapter."):
        if not module.name.endswith("__main__") and (log := getattr(importlib.import_module(module.name), "log", None)):
            found.add(log.name)
    assert found == {f"yamcp_ui_adapter.{name}" for name in NAMES}
