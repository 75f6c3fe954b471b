"""A workspace's merged lists, and the routes from exposed names to servers."""
