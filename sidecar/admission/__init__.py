"""The context of a client's request, and the gates and observers that each request passes (ADR 29)."""
