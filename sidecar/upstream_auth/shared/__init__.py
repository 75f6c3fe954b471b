"""Sign-ins that the replicas of one database have in common (ADR 61)."""
