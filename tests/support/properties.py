"""Properties, which hypothesis tries with examples: how many, and where these come from.

`make test` tries the same examples each time, so that only an edit makes a test fail. `make fuzz` tries many random
ones; what it finds becomes an `@example` of the property.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

USUAL = 100
"""How many examples a property is tried with in `make test` unless it says otherwise."""


def register_profiles() -> None:
    """That of `make test`, which is used from now on, and that of `make fuzz`. No deadlines: machines are busy."""
    settings.register_profile(
        "steady",
        max_examples=USUAL,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile(
        "fuzz",
        settings(deadline=None, suppress_health_check=[HealthCheck.too_slow]),
        max_examples=int(os.environ.get("FUZZ_EXAMPLES", "5000")),
        derandomize=False,
        print_blob=True,
    )
    settings.load_profile("steady")


def leave_out_constants() -> None:
    """In `make test`, try no numbers and texts that hypothesis finds in the source of loaded modules.

    With them, the examples of a property would change with any edit anywhere, and with the tests that ran before it.
    Hypothesis has no setting for this.
    """
    if settings.get_current_profile_name() == "steady":
        none = providers.Constants()
        providers._get_local_constants = lambda: none


def examples(count: int, **more: Any) -> settings:
    """For a property that is tried with so many examples in `make test`, and in proportion in `make fuzz`."""
    return settings(max_examples=max(1, count * settings().max_examples // USUAL), **more)
