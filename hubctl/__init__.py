"""hubctl: the hub at the command line."""
