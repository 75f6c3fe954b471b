"""`hubctl run`: check the prerequisites, start the hub's processes, and supervise them."""
