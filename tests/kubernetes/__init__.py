"""Tests of charts/yamcp-hub and deploy/kustomize; setup.sh installs what they need."""
