"""The desired state: made of the files, kept, published, and changed over the bridge."""
