"""`hubctl run`: the hub's processes, started and supervised, and what they need."""
