"""`hubctl catalog`: servers of the catalogue, and the variables that definitions refer to."""
