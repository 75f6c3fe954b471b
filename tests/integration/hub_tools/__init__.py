"""The hub's own tools, at a hub with servers in memory and over real HTTP."""
