"""The object that LAMMPS calls at every step: `pair_style mliap unified FILE` gets one of these."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.communication import CoulombOperator
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.distances import BadDistance
from mliap_hybrid.lammps import run_checks
from mliap_hybrid.lammps.atom_outputs import write_atom_outputs
from mliap_hybrid.lammps.bad_distances import told_by_ids
from mliap_hybrid.lammps.bridge_api import Native
from mliap_hybrid.lammps.charges_of_models import charges_of, operator_of
from mliap_hybrid.lammps.connected_checks import check_pairs
from mliap_hybrid.lammps.data import MLIAPData
from mliap_hybrid.lammps.exchange import (
    as_tensor,
    atom_tags,
    device_of,
    synchronise,
    write_energies,
    write_pair_forces,
)
from mliap_hybrid.lammps.failures import end_run, show_sentences_alone
from mliap_hybrid.lammps.foreign_models import is_foreign, is_zip, open_trusted, untrusted
from mliap_hybrid.lammps.instance_data import InstanceData
from mliap_hybrid.lammps.molecule_orders import MEMORIES
from mliap_hybrid.lammps.native_step import NativeStep
from mliap_hybrid.lammps.process import cores_of_rank, keep_freed_memory, threads_of_rank
from mliap_hybrid.lammps.ranks import Ranks
from mliap_hybrid.lammps.record_of_model import record_of
from mliap_hybrid.lammps.run_charges import total_charge_of
from mliap_hybrid.lammps.run_communication import RunCommunication
from mliap_hybrid.lammps.run_field import field_of_run
from mliap_hybrid.lammps.unverified import unverified, warn_of_unverified
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model_files.model_file import (
    Manifest,
    encode_records,
    is_model_file,
    parse_records,
    read_model,
    restore_model,
)
from mliap_hybrid.model_files.native_record import NativeRecord, encode_native
from mliap_hybrid.model_files.safe_records import Records, is_checkpoint
from mliap_hybrid.structure import Geometry
from mliap_hybrid.units import lammps_energy_unit


class HybridUnified:
    """A hybrid model behind the interface of ML-IAP's unified models.

    Works with the data objects of this package's plugin, of LAMMPS' own ML-IAP package, and of its KOKKOS version.
    With fixed charges, energies and pair forces are the model's local terms, and LAMMPS' own styles add the Coulomb
    energy of point charges. With predicted charges a Coulomb engine solves for the long-range energy within the call.
    """

    def __init__(self, manifest: Manifest, tensors: dict[str, Tensor], model: HybridModel | None = None):
        """Take a model apart, or one that no file can hold.

        Parameters
        ----------
        manifest : Manifest
        tensors : dict of str to Tensor
            Of the file.
        model : HybridModel, optional
            Made of both by default.

        Raises
        ------
        InputError
            If manifest and tensors do not fit together.
        """
        model = (model or restore_model(manifest, tensors, "the model file")).requires_grad_(False)
        self.manifest = manifest
        self.tensors = tensors
        self.evaluator = Evaluator(model, getattr(torch, manifest.dtype))
        self.model = model
        # What LAMMPS reads when it connects; it takes 2 rcutfac as the cutoff of every pair.
        self.interface: Any = None
        self.element_types = [chemical_symbols[z] for z in model.elements]
        self.rcutfac = 0.5 * model.cutoff
        # Some builds of LAMMPS allocate by these two, which are 0 for a model without a network.
        self.ndescriptors = max(1, model.features.n_features)
        self.nparams = max(1, sum(parameter.numel() for parameter in model.parameters()))
        self._element_numbers = torch.tensor(model.elements)  # (n_elements,)
        self._prepared = False
        self._connection: tuple[Any, str] | None = None
        self._native: NativeStep | None = None
        self._memories = [memory(term) for kind, memory in MEMORIES.items() if (term := model.term(kind)) is not None]
        self._charges = charges_of(model, manifest)
        self._operator = operator_of(model, self._charges)
        # What the plugin reads (bridge.py): who adds the Coulomb energy, and whether there is a heat flux.
        self.centroid_stress = model.has_centroid_stress
        self.n_members = len(model.heads["energy"].members) if len(model.heads) and model.parameter("energy") else 1
        self.outside_distance = None if model.distance is None else model.distance.description.outside
        for name, value in self._charges.for_plugin().items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, tuple[Tensor, ...]]:
        # What torch.save pickles: the byte records of the file, and the name of the function that reads them.
        native = b"" if self._record is None else encode_native(self._record)
        records = encode_records(self.manifest, self.tensors, native)
        return restore_unified, tuple(torch.frombuffer(bytearray(record), dtype=torch.uint8) for record in records)

    def connect(self, instance: Any, fix: str = "coulomb") -> None:
        """Give the model the LAMMPS that will call it, where that has no plugin; `connection.connect_model` calls this.

        Units, charges, k-space solver and box are then checked, and models with predicted charges or of molecules can
        run. To be called before the first run.

        Parameters
        ----------
        instance : lammps.lammps
            The instance that will call this object.
        fix : str
            ID of the `fix external` that takes the Coulomb forces of predicted charges; see `ConnectedData`.

        Raises
        ------
        InputError
            If the model leaves the Coulomb energy of predicted charges to LAMMPS, or its ranks cannot talk.
        """
        self._charges.check_instance(instance)
        self._connection = (instance, fix)

    def prepare_native(self, data: MLIAPData) -> Native | None:
        """Check the run, and tell the plugin how steps are done without this object; see `native_step.py`.

        Parameters
        ----------
        data : MLIAPData
            Of a step, without its pairs.

        Returns
        -------
        Native or None
            None if the model has parts that only Python knows; then each step calls `compute_forces`, with all checks.

        Raises
        ------
        InputError
            If the run is not one that the model was made for.
        """
        if self._native is None and self._connection is None and self._record is not None:
            self._native = NativeStep(self._record, self._charges, self.manifest.allow_small_box)
        return None if self._native is None else self._native.prepare(data, threads_of_rank(data.ranks_on_machine))

    def compute_descriptors(self, data: Any) -> None:
        """Nothing: everything is done in `compute_forces`, which LAMMPS calls last."""

    def compute_gradients(self, data: Any) -> None:
        """Nothing: everything is done in `compute_forces`, which LAMMPS calls last."""

    def compute_forces(self, data: Any) -> None:
        """Write the energy, the energy of each listed atom and the force of each pair.

        In LAMMPS' own ML-IAP an error of one rank ends all ranks here; the plugin does this itself.

        Parameters
        ----------
        data : object
            The data object of LAMMPS, valid during this call only.

        Raises
        ------
        InputError
            If the run is not one that the model was made for.
        """
        try:
            self._compute(data)
        except Exception as error:
            if not isinstance(data, MLIAPData):
                end_run(error)
            raise

    def _compute(self, data: Any) -> None:
        device = self._device(data)
        synchronise(device)
        complete = self._connected(data)
        geometry, rows = self._geometry(complete, device)
        self._check_run(complete)
        for memory in self._memories:
            memory.begin(complete, geometry)
        unit = lammps_energy_unit(getattr(complete, "unit_style", "metal"))
        in_run = self._in_run(complete, geometry, rows, unit)
        try:
            total = self.evaluator.total(in_run)
        except BadDistance as error:
            raise told_by_ids(error, complete, rows) from None
        write_atom_outputs(data, self.evaluator, in_run, rows, unit)
        energies, gradients = total.energies, total.pair_gradients
        if rows is not None:  # pairs of ghost centres carry no energy of this rank, hence no force
            all_rows = gradients.new_zeros((data.npairs, 3))
            all_rows[rows] = gradients
            gradients = all_rows
        energies = energies / unit
        # What a fix external takes of the Coulomb energy is not told by atoms: it goes with the model's own.
        apart = getattr(complete, "coulomb_energies", None)
        write_energies(data, energies if apart is None else energies + torch.from_numpy(apart))
        write_pair_forces(data, gradients / unit)
        synchronise(device)

    @cached_property
    def _record(self) -> NativeRecord | None:
        """None if the model has parts that only Python knows."""
        return record_of(self.model, self.evaluator, self.manifest)

    def _connected(self, data: Any) -> Any:
        """The data object, completed by what the instance knows if one was given."""
        return data if self._connection is None else self._charges.completed(data, *self._connection)

    def _in_run(self, data: Any, geometry: Geometry, rows: Tensor | None, unit: float) -> Geometry:
        """The geometry with the way to the atoms of other ranks."""

        def coulomb(of_centres: Geometry, smearing: float) -> CoulombOperator:
            return self._operator(data, of_centres, smearing, unit)

        vectors = geometry.pair_vectors
        total_charge = torch.tensor(total_charge_of(data), dtype=torch.float64, device=vectors.device)
        communication = RunCommunication(Ranks(data, rows), total_charge, geometry.n_centres, coulomb)
        return replace(geometry, neighbours=communication, field=field_of_run(data, communication.sum))

    def _device(self, data: Any) -> torch.device:
        """Device of LAMMPS' arrays; the model moves there once."""
        device = device_of(data) or self._element_numbers.device
        if device != self._element_numbers.device:
            self.model.to(device)
            self._element_numbers = self._element_numbers.to(device)
        return device

    def _geometry(self, data: Any, device: torch.device) -> tuple[Geometry, Tensor | None]:
        """Local view of the listed atoms, and the rows of their pairs (None: all rows)."""
        n_centres, n_pairs = int(data.nlistatoms), int(data.npairs)
        if n_centres == 0:
            rows = None if n_pairs == 0 else torch.zeros(0, dtype=torch.int64, device=device)
            return _no_geometry(device), rows
        elements = as_tensor(data.elems).long()  # (n_total,): index into element_types
        numbers = self._element_numbers[elements]  # (n_total,)
        listed = as_tensor(data.iatoms)[:n_centres].long()  # (n_centres,): atom of each listed position
        tags = None if not self.model.needs_tags else atom_tags(data, listed)
        if n_pairs == 0:
            return replace(_no_geometry(device), centre_numbers=numbers[listed], tags=tags), None
        centre_of_atom = torch.full_like(elements, -1)  # (n_total,)
        centre_of_atom[listed] = torch.arange(n_centres, device=device)
        # index_select takes LAMMPS' int32 as it is, and a quarter of the time of brackets.
        pair_i = centre_of_atom.index_select(0, as_tensor(data.pair_i))  # (n_pairs,)
        neighbour_numbers = numbers.index_select(0, as_tensor(data.pair_j))  # (n_pairs,)
        vectors = as_tensor(data.rij)  # (n_pairs, 3)
        if int(pair_i.min()) >= 0:
            return Geometry(numbers[listed], neighbour_numbers, pair_i, vectors, tags), None
        rows = (pair_i >= 0).nonzero().squeeze(1)
        tags = None if tags is None else tags.of_pairs(rows)
        return Geometry(numbers[listed], neighbour_numbers[rows], pair_i[rows], vectors[rows], tags), rows

    def _check_run(self, data: Any) -> None:
        """What can change in a run is looked at again when the data object says so; the box at each step."""
        if not self.manifest.allow_small_box:
            run_checks.check_box(data, self.model.cutoff)
        first, self._prepared = not self._prepared, True
        if first:
            warn_of_unverified(unverified(data, not self.manifest.allow_small_box, self._charges.point_charges))
        self._charges.check_run(data, first)
        if not first:
            return
        if isinstance(data, InstanceData):  # the plugin has looked for what hides pairs
            check_pairs(data, self.model.cutoff)
        keep_freed_memory()
        share = cores_of_rank(getattr(data, "ranks_on_machine", 1))
        torch.set_num_threads(min(torch.get_num_threads(), share))


def restore_unified(manifest: Tensor, weights: Tensor, native: Tensor | None = None) -> HybridUnified:
    """Rebuild the object from the byte records of a model file; what `torch.load` calls.

    Parameters
    ----------
    manifest, weights, native : Tensor of uint8

    Raises
    ------
    InputError
        If the records were changed or are newer than this package, or the model needs the plugin, which does not
        call this.
    """
    try:
        records = [tensor.numpy().tobytes() for tensor in (manifest, weights, native) if tensor is not None]
        unified = HybridUnified(*parse_records(Records(*records), "the model file"))
        if getattr(unified, "solves_coulomb", True) is False:  # LAMMPS would refuse the k-space solver first
            run_checks.check_predicted_charges(None, "kspace")
    except InputError:
        show_sentences_alone()
        raise
    return unified


def open_unified(path: str, trusted: bool = False) -> Any:
    """The object that LAMMPS calls, from a file.

    Parameters
    ----------
    path : str
        A file that `mliap-hybrid export` wrote, which is read without unpickling.
    trusted : bool
        Whether a file of anyone's unified model may be unpickled, as LAMMPS' own ML-IAP does: this runs its code.

    Raises
    ------
    InputError
        If the file is missing or damaged, or is of another maker and not trusted.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"cannot find the model file '{path}'; expected the file that `mliap-hybrid export` wrote")
    if is_foreign(file) and not (is_zip(file) and (is_model_file(file) or is_checkpoint(file))):
        if not trusted:
            raise untrusted(file)
        return open_trusted(file)
    return HybridUnified(*read_model(file))


def _no_geometry(device: torch.device) -> Geometry:
    integers = torch.zeros(0, dtype=torch.int64, device=device)
    return Geometry(integers, integers, integers, torch.zeros((0, 3), dtype=torch.float64, device=device))
