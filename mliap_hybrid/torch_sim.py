"""Model files in TorchSim, which moves many structures in one batch: the numbers of the ASE calculator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_sim import SimState
from torch_sim.models.interface import ModelInterface

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.structure import Batch, join_batches, with_total_charge

CHARGE_KEYS = ("total_charge", "charge")
"""What TorchSim calls the total charges of structures, e; the first one there counts."""


class HybridTorchSimModel(ModelInterface):
    """Energies (n_systems,), eV, forces (n_atoms, 3), eV/Å, and stresses (n_systems, 3, 3), eV/Å^3, of a batch.

    Stresses have ASE's sign, and are given where all structures are periodic in all directions. The processor computes,
    in double precision or that of the file.
    """

    def __init__(self, model: str | Path, dtype: torch.dtype = torch.float64, total_charge: float | None = None):
        """Open a model.

        Parameters
        ----------
        model : str or Path
            File that `mliap-hybrid export` wrote.
        dtype : {torch.float64, torch.float32}
            Of the states and of what is given back.
        total_charge : float, e, optional
            Total charge that predicted charges sum to, of states that do not hold their own; by default that which the
            model was exported for.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        super().__init__()
        self._device, self._dtype = torch.device("cpu"), dtype
        self._compute_forces = self._compute_stress = True
        hybrid, manifest = load_exported(Path(model))
        self._evaluator = Evaluator(hybrid, getattr(torch, manifest.dtype))
        self._total_charge = manifest.total_charge if total_charge is None else total_charge

    def forward(self, state: SimState, **kwargs: Any) -> dict[str, Tensor]:
        """Called by TorchSim.

        Raises
        ------
        InputError
            If the model does not know an element, or refuses a structure.
        """
        batch = self._batch_of(state)
        prediction = self._evaluator.predict(batch)
        results = {"energy": prediction.energies, "forces": prediction.forces}
        if batch.periodic.all():
            volumes = batch.cells.det().abs()  # (n_systems,)
            results["stress"] = -prediction.virials / volumes[:, None, None]
        return {name: values.detach().to(self.dtype) for name, values in results.items()}

    def _batch_of(self, state: SimState) -> Batch:
        """The structures of a state, with the pairs that the model wants."""
        batches = [frame_to_batch(atoms, self._evaluator.model.cutoff) for atoms in state.to_atoms()]
        extras = state.system_extras
        key = next((key for key in CHARGE_KEYS if key in extras), None)
        totals = [self._total_charge] * len(batches) if key is None else extras[key].reshape(-1).tolist()
        return join_batches([with_total_charge(batch, total) for batch, total in zip(batches, totals, strict=True)])
