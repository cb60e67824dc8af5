"""Hybrid machine-learned potentials for LAMMPS: Gaussian-multipole features, a network and explicit physics."""

from mliap_hybrid.version import __version__

__all__ = ["__version__"]
