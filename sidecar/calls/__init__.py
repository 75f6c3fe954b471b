"""One request of a client, answered."""
