"""What is secret in configuration, by names and by where it stands."""
