"""What all users of PostgreSQL share: addresses without secrets, connections, texts of errors."""
