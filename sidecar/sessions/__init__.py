"""The sessions of clients, and the state that the hub keeps for each: subscriptions, tasks, suspended calls."""
