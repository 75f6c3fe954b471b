"""`hubctl curation`."""
