"""The recall of the tool search, on the tools of real servers."""
