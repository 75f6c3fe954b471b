"""`hubctl trust`: changes of what servers offer, and scans."""
