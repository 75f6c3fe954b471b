"""How stdio servers are started, and how none of their processes outlives the hub (docs/adr/0002-spawner.md).

Keep this file free of imports: the spawner program, which has to stay small, imports it too.
"""
