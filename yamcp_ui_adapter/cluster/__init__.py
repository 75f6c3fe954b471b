"""One configuration for several hubs: in PostgreSQL, or in a read-only directory (docs/cluster.md)."""
