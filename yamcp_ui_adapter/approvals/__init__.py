"""Changes that agents ask for: who may make them, and proposals and tickets for those that wait for a person."""
