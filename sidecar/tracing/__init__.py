"""Traces of calls, by OpenTelemetry: off unless an OTLP endpoint is configured (docs/tracing.md)."""
