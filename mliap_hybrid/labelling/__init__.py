"""Labels for structures from any calculator that ASE knows."""
