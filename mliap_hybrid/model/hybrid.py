"""The hybrid model: a sum of terms.

    E = sum_i [ E0(Z_i) + w(Z_i).x_i + b(Z_i) + network(x_i) + repulsion_i ] + sum_molecules E_GDML
        + E_long_range({q(Z_i)}, {r_i}),                                            x_i = W (F_i - mean)

The bracket is strictly local; with the kernel model of molecules, where there is one (terms/molecules.py), it is what
LAMMPS evaluates in the pair style. There may be no network; the long-range term is one definition
everywhere (physics/ewald.py), and in LAMMPS it is split between PPPM and the smearing correction of the pair style.
The charges are one for each element, as written here, or predicted from the surroundings (charge_model.py). Forces are
the gradient of the energy, unless a second network predicts the part that follows from the first (direct_forces.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.charge_model import ChargeModel
from mliap_hybrid.model.committee import CommitteeNetwork
from mliap_hybrid.model.direct_forces import ForceNetwork
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.physics.coulomb import self_energies, smearing_correction_energies
from mliap_hybrid.physics.repulsion import ZBLRepulsion
from mliap_hybrid.structure import Geometry


class HybridModel(torch.nn.Module):
    """Network on features of the surroundings, plus explicit physics."""

    baseline: Tensor
    charges: Tensor | None
    rows: Tensor

    def __init__(
        self,
        features: Featuriser,
        whitening: Whitening | None,
        network: AtomicNetwork | CommitteeNetwork | None,
        baseline: Mapping[int, float],
        repulsion: ZBLRepulsion | None = None,
        charges: Mapping[int, float] | None = None,
        smearing: float = 1.0,
        charge_model: ChargeModel | None = None,
        total_charge_input: bool = False,
        force_network: ForceNetwork | None = None,
        molecules: MoleculeTerm | None = None,
    ):
        """Put the terms together.

        Parameters
        ----------
        features : Featuriser
            Its elements are the model's elements.
        whitening : Whitening or None
            Linear map between the features and the network; None where the network's first layer holds it.
        network : AtomicNetwork or CommitteeNetwork or None
            None, with `NoFeatures`, for a model of explicit terms alone.
        baseline : mapping of int to float, eV
            Atomic number -> energy E0 of the atom without neighbours.
        repulsion : ZBLRepulsion or None
        charges : mapping of int to float, e, or None
            Atomic number -> fixed charge.
        smearing : float, Å
            Smearing of the charges.
        charge_model : ChargeModel or None
            Predicts the charges; None, and no fixed charges, leave the long-range term out.
        total_charge_input : bool
            Whether the networks take the total charge of the structure as a last input.
        force_network : ForceNetwork or None
            Makes the forces direct: they are no longer the gradient of the energy.
        molecules : MoleculeTerm or None
            The energy of molecules, all atoms being theirs unless LAMMPS says otherwise.

        Raises
        ------
        ValueError
            If an element has no baseline or no charge, or charges are both fixed and predicted, or forces are direct
            and charges predicted.
        """
        super().__init__()
        if charges is not None and charge_model is not None:
            raise ValueError("expected fixed charges or predicted ones, got both")
        if network is None and (charge_model is not None or force_network is not None):
            raise ValueError("expected an energy network beside those of charges or forces, got none")
        if force_network is not None and charge_model is not None:
            raise ValueError("expected direct forces or predicted charges, got both")
        self.elements: tuple[int, ...] = tuple(features.elements)
        self.features = features
        self.whitening = whitening
        self.network = network
        self.repulsion = repulsion
        self.smearing = smearing
        self.charge_model = charge_model
        self.total_charge_input = total_charge_input
        self.force_network = force_network
        self.molecules = molecules
        rows = torch.zeros(len(chemical_symbols), dtype=torch.int64)
        rows[list(self.elements)] = torch.arange(len(self.elements))
        self.register_buffer("rows", rows, persistent=False)  # atomic number -> row of the element
        self.register_buffer("baseline", self._by_atomic_number(baseline, "baseline energy"))
        # None registers an empty slot: the elements have no charges of their own.
        self.register_buffer("charges", None if charges is None else self._by_atomic_number(charges, "charge"))

    @property
    def cutoff(self) -> float:
        """Cutoff radius of all local terms, Å."""
        return self.features.cutoff

    @property
    def is_charged(self) -> bool:
        """Whether the model has a long-range term."""
        return self.charges is not None or self.charge_model is not None

    @property
    def is_conservative(self) -> bool:
        """Whether forces are the gradient of the energy."""
        return self.force_network is None

    def charge_table(self) -> dict[int, float]:
        """Atomic number -> fixed charge in e; empty where there are none."""
        return {} if self.charges is None else {z: float(self.charges[z]) for z in self.elements}

    def atomic_energies(self, geometry: Geometry, total_charges: Tensor | None = None) -> Tensor:
        """Local energies: all but the long-range term.

        Parameters
        ----------
        geometry : Geometry
        total_charges : Tensor, shape (n_centres,), e, optional
            As in `network_inputs`.

        Returns
        -------
        Tensor, shape (n_centres,), eV

        Raises
        ------
        InputError
            If an atom's element is not one of the model's.
        """
        self.check_elements(geometry.centre_numbers)
        explicit = self.explicit_energies(geometry)
        if self.network is None:
            return explicit
        features = self.features(geometry)  # (n_centres, n_features)
        return self.network_energies(features, geometry.centre_numbers, total_charges) + explicit

    def explicit_energies(self, geometry: Geometry) -> Tensor:
        """The local terms but the network (n_centres,), eV: element, pair and molecule energies."""
        energies = self.element_energies(geometry.centre_numbers).to(geometry.pair_vectors.dtype)
        if self.molecules is not None:
            energies = energies + self.molecules.energies(geometry)
        distances = torch.linalg.vector_norm(geometry.pair_vectors, dim=1)  # (n_pairs,)
        return energies.index_add(0, geometry.pair_i, self.pair_energies(geometry, distances))

    def network_inputs(self, features: Tensor, total_charges: Tensor | None = None) -> Tensor:
        """What the networks see of the features.

        Parameters
        ----------
        features : Tensor, shape (n_centres, n_features)
        total_charges : Tensor, shape (n_centres,), e, optional
            Total charge of the structure of each centre, where the networks take it; zero by default.

        Returns
        -------
        Tensor, shape (n_centres, n_inputs)
        """
        inputs = features if self.whitening is None else self.whitening(features)
        if not self.total_charge_input:
            return inputs
        totals = inputs.new_zeros(len(inputs)) if total_charges is None else total_charges.to(inputs.dtype)
        return torch.cat([inputs, totals[:, None]], dim=1)

    def network_energies(self, features: Tensor, numbers: Tensor, total_charges: Tensor | None = None) -> Tensor:
        """The network's part of the local energies.

        Parameters
        ----------
        features : Tensor, shape (n_centres, n_features)
        numbers : Tensor, shape (n_centres,), int64
            Atomic numbers, all of the model's elements.
        total_charges : Tensor, shape (n_centres,), e, optional
            As in `network_inputs`.

        Returns
        -------
        Tensor, shape (n_centres,), eV
        """
        assert self.network is not None
        return self.network(self.network_inputs(features, total_charges), self.rows[numbers])

    def raw_charges(self, features: Tensor, numbers: Tensor, total_charges: Tensor | None = None) -> Tensor:
        """What the charge network says of each centre, before the sum of the charges is made right.

        Parameters
        ----------
        features, numbers, total_charges
            As in `network_energies`.

        Returns
        -------
        Tensor, shape (n_centres,), e
        """
        assert self.charge_model is not None
        return self.charge_model.raw(self.network_inputs(features, total_charges), self.rows[numbers])

    def feature_slopes(self, features: Tensor, numbers: Tensor) -> Tensor:
        """What stands for the derivative of the network's energy by the features, where forces are direct.

        Parameters
        ----------
        features, numbers
            As in `network_energies`.

        Returns
        -------
        Tensor, shape (n_centres, n_features), eV
        """
        assert self.force_network is not None
        slopes = self.force_network(self.network_inputs(features), self.rows[numbers])  # (n_centres, n_inputs)
        return slopes if self.whitening is None else slopes @ self.whitening.matrix.to(slopes.dtype).T

    def element_energies(self, numbers: Tensor) -> Tensor:
        """E0 (n_centres,), float64, eV, of atoms with the atomic numbers (n_centres,)."""
        return self.baseline.index_select(0, numbers)

    def pair_energies(self, geometry: Geometry, distances: Tensor) -> Tensor:
        """The explicit pair terms, here the repulsion: what each pair gives to its centre.

        Parameters
        ----------
        geometry : Geometry
        distances : Tensor, shape (n_pairs,), Å
            Lengths of the pair vectors, all that the terms depend on.

        Returns
        -------
        Tensor, shape (n_pairs,), eV
        """
        if self.repulsion is None:
            return torch.zeros_like(distances)
        return self.repulsion.pair_energies(geometry, distances)

    def smearing_correction(self, geometry: Geometry, distances: Tensor) -> tuple[Tensor, Tensor]:
        """What the pair style of a model with fixed charges adds to LAMMPS' point-charge energy.

        Parameters
        ----------
        geometry : Geometry
        distances : Tensor, shape (n_pairs,), Å

        Returns
        -------
        self_energies : Tensor, shape (n_centres,), eV
        pair_energies : Tensor, shape (n_pairs,), eV
        """
        assert self.charges is not None
        charges = self.charges.to(distances.dtype)
        centre_charges = charges.index_select(0, geometry.centre_numbers)  # (n_centres,)
        products = centre_charges.index_select(0, geometry.pair_i)  # (n_pairs,)
        products = products * charges.index_select(0, geometry.neighbour_numbers)
        return (
            self_energies(centre_charges, self.smearing),
            smearing_correction_energies(distances, products, self.smearing),
        )

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse atoms of an element that the model was not trained for.

        Raises
        ------
        InputError
            Naming the element and those of the model.
        """
        known = torch.tensor(self.elements, device=numbers.device)
        unknown = numbers[~torch.isin(numbers, known)]
        if len(unknown):
            symbol = chemical_symbols[int(unknown[0])]
            symbols = [chemical_symbols[z] for z in self.elements]
            raise InputError(f"the model knows no element {symbol}: {did_you_mean(symbol, symbols)}")

    def _by_atomic_number(self, values: Mapping[int, float], what: str) -> Tensor:
        """(n_elements_of_the_periodic_table + 1,) float64, indexed by atomic number, zero where not used."""
        table = torch.zeros(len(chemical_symbols), dtype=torch.float64)
        for z in self.elements:
            if z not in values:
                raise ValueError(f"expected a {what} for {chemical_symbols[z]}, got none")
            table[z] = values[z]
        return table
