"""hubctl connect."""
