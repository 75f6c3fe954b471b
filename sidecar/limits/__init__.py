"""Limits of stdio servers: what they are, the control groups that enforce them, and how they are told (ADR 0034).

This file must not import anything: the spawner program, which has to stay small, imports it too.
"""
