"""Where servers run that only one replica may run: by leases in PostgreSQL or Kubernetes (docs/cluster.md)."""
