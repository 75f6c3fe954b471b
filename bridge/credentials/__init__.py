"""The journal of credentials: clients, grants, tokens, users and browser logins (docs/oauth.md, ADR 40)."""
