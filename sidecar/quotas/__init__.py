"""Limits per principal: requests per second, concurrent calls, sessions, calls and bytes per day (ADR 45)."""
