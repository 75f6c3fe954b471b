"""Three replicas behind nginx and Envoy, with real PostgreSQL and Redis: `make replicas` (docs/scaling.md)."""
