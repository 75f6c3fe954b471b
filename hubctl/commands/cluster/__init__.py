"""`hubctl cluster`: the configuration that several hubs share."""
