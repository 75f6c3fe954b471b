"""The history of calls and sessions, on its way to the recorder process (docs/history.md, ADR 37)."""
