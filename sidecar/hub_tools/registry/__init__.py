"""The registry tools: with them agents find servers in the catalogue, add, set up and remove them (docs/hub-tools.md).

The adapter decides who may do what, and does it (`yamcp_ui_adapter/approvals`); these tools ask it and wait.
"""
