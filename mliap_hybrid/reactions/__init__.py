"""Molecules in a trajectory, and the reactions between them."""
