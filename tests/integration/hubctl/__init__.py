"""hubctl against a real hub."""
