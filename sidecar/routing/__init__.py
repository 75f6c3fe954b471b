"""What a workspace shows, and where each name in it leads."""
