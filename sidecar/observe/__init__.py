"""What people see of the hub: metrics, call history, log records, masked secrets, memory."""
