"""The journal of credentials: clients, grants, tokens, users and browser logins (docs/oauth.md, ADR 40)."""

JOURNAL_FILE = "credentials.jsonl"
"""The journal's name in HUB_DATA_DIR."""
