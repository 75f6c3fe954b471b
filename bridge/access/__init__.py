"""Who may use what: the policy of access.json, compiled into the permissions of a principal. Pure."""
