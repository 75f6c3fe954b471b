"""`hubctl grants` and `hubctl users`: what clients have been allowed, and who has signed in."""
