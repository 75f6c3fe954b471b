"""How one sidecar process takes over from another without a failed call (`hubctl reload`, ADR 35)."""
