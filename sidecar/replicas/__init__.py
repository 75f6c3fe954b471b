"""Hands requests to the replica of the hub that has their session (docs/scaling.md). Imported where HUB_REPLICAS is
set."""
