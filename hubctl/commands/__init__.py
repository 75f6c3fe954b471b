"""What each command of hubctl does."""
