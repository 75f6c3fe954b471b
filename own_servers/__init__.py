"""Servers made of what a user has: a Python file with functions, or an OpenAPI document (ADR 54)."""
