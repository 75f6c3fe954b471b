"""What is asked over the bridge about tools and other items: lists, curation, search, changes."""
