"""Clients' sessions, and what is held for them."""
