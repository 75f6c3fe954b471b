"""What the processes share for the history (docs/history.md): its settings, the spool, and figures of durations."""
