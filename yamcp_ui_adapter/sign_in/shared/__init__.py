"""One journal of credentials for several hubs, in the database of HUB_CONFIG_DATABASE (docs/cluster.md, ADR 59)."""
