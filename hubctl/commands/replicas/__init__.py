"""Commands for a hub that is one of several replicas (docs/scaling.md)."""
