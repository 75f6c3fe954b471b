"""Starts stdio servers, and ensures that none of their processes outlives the hub (docs/adr/0002-spawner.md).

This file must not import anything: the spawner program, which has to stay small, imports it too.
"""
