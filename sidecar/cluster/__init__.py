"""What replicas of a hub tell each other over Redis: how they are, and which lists changed (docs/scaling.md)."""
