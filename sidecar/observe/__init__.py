"""Observability: metrics, call history, log records, secret masking, memory use."""
