"""From a model to its native record, where native code knows all of it."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols

from mliap_hybrid.kernels.native_backend import CPU
from mliap_hybrid.lammps.native_potential import potential_of
from mliap_hybrid.model.bounds import Within
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.neutrality import Increments
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model.terms.dipoles import Dipoles
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.training_distance import NEIGHBOUR_SHARE
from mliap_hybrid.model_files.model_file import Manifest
from mliap_hybrid.model_files.native_record import FixedChargeConstants, NativeRecord, PredictedChargeConstants


def record_of(model: HybridModel, evaluator: Evaluator, manifest: Manifest) -> NativeRecord | None:
    """The native record of a model.

    Parameters
    ----------
    model : HybridModel
    evaluator : Evaluator
        Of the model, in the precision of the run.
    manifest : Manifest

    Returns
    -------
    NativeRecord or None
        None for models that have parts which native code does not know, among them those that solve for the Coulomb
        energy of their charges in Python.
    """
    charges = charge_constants_of(model)
    if isinstance(charges, PredictedChargeConstants) and manifest.coulomb_engine != "kspace":
        return None
    potential = potential_of(model, evaluator.backend_on(CPU, 0.0))
    if potential is None:
        return None
    return NativeRecord(
        elements=[chemical_symbols[z] for z in model.elements],
        potential=potential,
        charges=charges,
        centroid_stress=model.has_centroid_stress,
        n_features=model.features.n_features,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        outside_distance=None if model.distance is None else model.distance.description.outside,
        neighbour_share=NEIGHBOUR_SHARE,
    )


def charge_constants_of(model: HybridModel) -> FixedChargeConstants | PredictedChargeConstants | None:
    """What a run needs of a model's charges; None where it has none."""
    term, charge = model.term(Electrostatics), model.parameter("charge")
    if term is None:
        return None
    if not isinstance(charge, PredictedParameter):
        table = model.table("charge")
        values = np.array([table[z] for z in model.elements])
        if model.term(Dipoles) is None:
            return FixedChargeConstants(values)
        # LAMMPS' own styles know no dipoles, so that the model hands over these charges as it would changing ones.
        return PredictedChargeConstants(values, values, term.smearing, largest_change=0.0, increments=True)
    assert isinstance(charge.bound, Within)
    return PredictedChargeConstants(
        starting=charge.start.detach().double().cpu().numpy(),
        typical=charge.typical.detach().double().cpu().numpy(),
        smearing=term.smearing,
        largest_change=charge.bound.largest,
        increments=isinstance(charge.neutrality, Increments),
    )
