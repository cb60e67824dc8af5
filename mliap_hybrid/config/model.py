"""`features` and `network`: what the networks see, and what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mliap_hybrid.section import Positive, Section


class FeatureSettings(Section):
    """Features of the surroundings of an atom: Gaussian multipoles (Lei and Medford 2022) or symmetry functions."""

    set: Literal[
        "gmp-classic",
        "gmp-2c",
        "gmp-2c3",
        "gmp-3c3",
        "gmp-3c3w",
        "learned-small",
        "learned",
        "learned-large",
        "learned-tied",
        "acsf",
    ] = "gmp-2c3"
    """Named set, with its number of features for the default widths and order. gmp-classic (16): the squares of the
    paper, of the valence density alone; gmp-2c (116): a second density, one count for every atom, and the products of
    all pairs of probes; gmp-2c3 (148): with products of three moments; gmp-3c3 (294): with a third density, that of the
    core electrons; gmp-3c3w (438): with more products of three. More features cost time and find more. learned-small,
    learned, learned-large: moments for each element of the neighbours, which the training itself mixes and multiplies
    (`network.n_channels`, `network.body_order`); the most exact ones, and larger with each element. learned-tied: the
    same for the three densities of gmp-3c3 in place of elements: of one size, and with an answer for elements that were
    not in training. acsf: symmetry functions (Behler and Parrinello 2007) in place of multipoles, more of them with
    each element; of the settings below, `cutoff` alone is theirs. Where the file does not say it, learned for several
    elements, and gmp-3c3w where other settings keep it from being learned."""
    max_order: int = Field(default=3, ge=0, le=9)
    """Highest multipole order n; orders 0..n are used. Where the file says neither this nor a set, 5 for one
    element."""
    widths: list[Positive] = Field(default=[0.25, 0.5, 1.0, 2.0])
    """Widths s of the Gaussian probes in Å. Where the file does not say it, four, or as many as a learned set has,
    between a quarter of the distance of nearest neighbours and a third of the cutoff, in equal ratios."""
    cutoff: Positive = 6.0
    """Cutoff radius r_c in Å: how far an atom sees, and the cutoff of the LAMMPS pair style."""
    environment: Literal["all", "molecule"] = "all"
    """What features see. all: all atoms within the cutoff; molecule: those of the own molecule, so that what networks
    say, energies and parameters of terms alike, follows from each molecule by itself, and all that is between molecules
    is left to terms with `pairs: between_molecules`."""
    density_table: str = "gth-pbe"
    """Pseudo-density table: a shipped name, a .gpsp file, or a folder of .g files."""
    selection: Literal["none", "fps", "cur"] = "none"
    """Which features the network sees. none: all; fps: `n_selected` that are as different from each other as possible
    on the training atoms; cur: `n_selected` from which the others are best rebuilt."""
    n_selected: int | None = Field(default=None, ge=1)
    """Number of features to select."""

    def with_files_in(self, folder: Path) -> Self:
        """As in `Section`: a table that is a file there."""
        table = folder / self.density_table
        return self.model_copy(update={"density_table": str(table)}) if table.exists() else self

    @model_validator(mode="after")
    def _selection_has_its_number(self) -> FeatureSettings:
        if self.selection != "none" and self.n_selected is None:
            raise ValueError(f"selection {self.selection} needs n_selected, the number of features to select")
        if self.selection == "none" and self.n_selected is not None:
            raise ValueError("n_selected has no effect without a selection: set selection to fps or cur")
        return self


class NetworkSettings(Section):
    """The network of the energy, which all elements share, and where the forces come from."""

    hidden: list[Annotated[int, Field(gt=0)]] = Field(default=[256, 128])
    """Widths of the hidden layers."""
    whitening_damping: Positive = 1e-3
    """Damping of the PCA whitening, relative to the largest variance: 1e-5 for about 30 features, 1e-3 for hundreds,
    more where training frames are few."""
    n_channels: int | None = Field(default=None, ge=1, le=1024)
    """Channels that the moments of a learned set are mixed to; null: those of the set, 16, 32, 48 and 32."""
    body_order: Literal[3, 4, 5] | None = None
    """Highest number of atoms that a product of a learned set joins, the centre included; null: that of the set, 4, 4,
    5 and 4."""
    forces: Literal["conservative", "direct"] = "conservative"
    """Where forces come from. conservative: they are the gradient of the energy; direct: a second network predicts
    them. Direct forces do not conserve energy: in molecular dynamics the total energy drifts, and minimisations find no
    minimum of the energy. They are for research on training, and are exported only with `--allow-non-conservative`."""
    force_hidden: list[Annotated[int, Field(gt=0)]] | None = None
    """Widths of the hidden layers of the second network, with `forces: direct`; null: those of `hidden`."""

    @property
    def direct_hidden(self) -> list[int] | None:
        """Widths of the hidden layers of the network of forces; None where they are gradients."""
        return (self.force_hidden or self.hidden) if self.forces == "direct" else None

    @model_validator(mode="after")
    def _force_network_is_used(self) -> NetworkSettings:
        if self.force_hidden is not None and self.forces != "direct":
            raise ValueError("force_hidden has no effect unless forces is direct")
        return self
