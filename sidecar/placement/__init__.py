"""Where servers run that only one replica may run (`placement: one`): by leases in PostgreSQL (docs/cluster.md)."""
