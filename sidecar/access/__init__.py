"""Who sends a request: checks keys, access tokens of the hub's authorization server, and JWTs (ADR 41)."""
