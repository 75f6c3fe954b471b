"""Commands about keys and users."""
