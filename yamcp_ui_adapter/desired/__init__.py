"""The desired state: computed from the files, stored, published to the sidecar, and changed over the bridge."""
