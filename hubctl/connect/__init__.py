"""`hubctl connect`: a workspace in the configuration of a client."""
