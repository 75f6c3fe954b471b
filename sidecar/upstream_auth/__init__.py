"""The hub as an OAuth client of remote servers, so that it can use them for its users (docs/upstream-sign-in.md)."""
