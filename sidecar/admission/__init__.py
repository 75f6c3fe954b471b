"""Who calls what, and the gates and observers that each request of a client meets."""
