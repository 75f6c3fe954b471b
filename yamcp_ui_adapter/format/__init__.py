"""The formats of YAMCP's files and of hub.json: parsing, checking, masking, and changing of their content. Pure."""
