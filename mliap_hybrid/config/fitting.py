"""`loss`, `weak_supervision`, `noise`, `committee`, `optimisation`: how the model is fitted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mliap_hybrid.section import Fraction, NonNegative, Positive, Section


class LossSettings(Section):
    """Weights of the errors in the loss, each on labels in eV and Å."""

    energy: NonNegative = 0.01
    """Weight of the squared error of the energy per atom, (eV/atom)^2, times 1000."""
    energy_transition: Positive | None = None
    """Error c of the energy per atom in eV/atom from which on errors count linearly and no longer as squares
    (pseudo-Huber loss 2 c^2 (sqrt(1 + (error / c)^2) - 1)). null: squares throughout."""
    forces: NonNegative = 1.0
    """Weight of the squared error of the force components, (eV/Å)^2."""
    force_transition: Positive | None = None
    """The same for force components, in eV/Å: a few large forces rule the fit less. null: squares throughout. Where the
    file does not say it, a twentieth of the root mean square force."""
    virial: NonNegative = 0.1
    """Weight of the squared error of the virial per atom, (eV/atom)^2, times 10; used where `data.keys` names a
    stress or a virial."""
    charges: NonNegative = 1.0
    """Weight of the squared error of predicted charges, e^2, times 100; used where `data.keys.charges` is set."""
    dipole: NonNegative = 1.0
    """Weight of the squared error of the components of the dipole moment, (e Å)^2, times 10; used with predicted
    charges where `data.keys.dipole` is set."""
    born_charges: NonNegative = 1.0
    """Weight of the squared error of the components of the Born effective charges, e^2; used with predicted charges
    where `data.keys.born_charges` is set."""
    polarisability: NonNegative = 1.0
    """Weight of the squared error of the components of the polarisability, (Å^3)^2; used with predicted induced dipoles
    where `data.keys.polarisability` is set."""

    components: NonNegative = 0.01
    """Weight of the squared errors of the components of the interaction of molecules per atom, (eV/atom)^2, times 1000,
    each; used where `data.keys` names one."""
    wall: Positive | None = None
    """Energy E0 in eV that turns repulsive walls down: errors of the energy and its components count with
    1 / (1 + (E / E0)^2) in frames whose energy label is E, which is for interaction energies. null: all count alike."""


class WeakSupervisionSettings(Section):
    """Losses at displaced copies C, B and D of each training frame A (Takamoto, Zaverkin and Niepert 2025).

    Energies there must agree with what energies and forces elsewhere say of them. This helps where labels are few, and
    harms where `displacement_size` is too large.
    """

    taylor: Literal["none", "zeroth", "first", "trapezoid", "second", "central", "curvature"] = "none"
    """How E(C) follows from A. none: no such term; zeroth: it is E(A), which is wrong, and a baseline for comparison;
    first: E(A) and the forces at A, wrong by the curvature of the energy; trapezoid: the mean of the forces at A and C;
    second: the curvature of the model as well, the slowest; central: the difference to the energy at the mirror image
    of C follows from the forces at A, half-way between the two; curvature: the mean of E(C) and that energy follows
    from E(A) and the Hessian of a simple model (Lindh et al. 1995), without any forces."""
    taylor_weight: Positive = 1.0
    """Weight of the squared residual of `taylor`, divided by the length of the displacement: an error of forces,
    (eV/Å)^2, which counts as much as with the same `loss.forces`."""
    weak_labels: bool = False
    """Whether `taylor` starts from the reference energy and forces of A in place of the predicted ones."""
    spatial: Literal["none", "A", "B", "C", "D", "all", "two-point"] = "none"
    """Which energies must agree, PQ being that of Q from energy and forces at P. none: no such term; A: C with BC;
    B: AC with BC; C: B with CB; D: DC with BC; all: C with BC, A with CA and B with AB; two-point: A with CA."""
    spatial_order: Literal["first", "trapezoid"] = "first"
    """How far PQ goes. first: forces at P, wrong by the curvature of the energy; trapezoid: the mean of the forces at P
    and Q."""
    spatial_weight: Positive = 0.1
    """The same weight for `spatial`."""
    displacement: Literal["random", "thermal", "adversarial", "virtual"] = "random"
    """Where C is. random: like B and D, each component uniform within the size; thermal: like B and D, as far on
    average, but farther where the model Hessian is soft; adversarial: each atom against the error of its force, by
    sqrt(3) times the size; virtual: against its predicted force, with `taylor: zeroth` the virtual adversarial training
    of Miyato et al. 2018. The last two follow the network, and compute features in each epoch."""
    displacement_size: Positive = 0.015
    """Size of the displacements in Å."""
    displaced_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Probability that an atom moves; the others stay where they are in all copies."""
    n_copies: int = Field(default=8, ge=1)
    """Sets of random copies prepared for each training frame, used in turn, one in each epoch."""
    warm_up_epochs: int = Field(default=0, ge=0)
    """Epochs at the start without these terms."""

    @property
    def is_on(self) -> bool:
        """Whether there is any term."""
        return self.taylor != "none" or self.spatial != "none"


class NoiseSettings(Section):
    """Noise augmentation: training frames with displaced atoms and unchanged labels, a baseline for comparison."""

    displacement: NonNegative = 0.0
    """How far each atom is moved in Å, in a random direction; 0 for no noise."""
    n_copies: int = Field(default=8, ge=1)
    """Noisy copies prepared for each training frame, used in turn, one in each epoch, in place of the frame."""


class CommitteeSettings(Section):
    """Several networks whose mean is the model, and whose spread says how far it can be trusted."""

    n_members: int = Field(default=1, ge=1)
    """Number of networks. Frames, split, features and fixed terms are those of all; member k (from 0) has the initial
    weights and the order of the frames of seed + k. 1 is a model of one network."""


class OptimisationSettings(Section):
    """How the weights are found, and for how long; what is not said of an optimiser has no effect on it."""

    optimiser: Literal["soap", "adamw", "lbfgs", "lm"] = "soap"
    """soap: Adam in the eigenbasis of the gradients' covariance, with several times fewer steps to the same error;
    adamw: Adam with decoupled weight decay. For networks of a few thousand weights, with one step of all frames in each
    epoch, no learning rate and no averaging: lm: Levenberg-Marquardt, few steps of great cost and memory, which is for
    at most a few thousand labels or weights; lbfgs: limited-memory BFGS, many steps."""
    epochs: int = Field(default=140, ge=1)
    """Passes over the training frames. Where the file does not say it, as many as make up 3500 steps, 10000 of a
    learned set, and more steps where an epoch has more than 25."""
    patience: int | None = Field(default=None, ge=1)
    """Stop when the validation loss has not fallen for so many epochs; null: never before the last one."""
    batch_size: int = Field(default=32, ge=1)
    """Frames in a step; of lm and lbfgs, frames that are in work at a time. Where the file does not say it, a
    twenty-fifth of the training frames, and 64 at most."""
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    """Learning rate of soap and adamw. cosine: falls to zero along half a cosine, in the last epoch; plateau: falls by
    `plateau_factor` when the validation loss has not fallen for `plateau_patience` epochs; constant: stays."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What `schedule: plateau` multiplies the learning rate by."""
    plateau_patience: int = Field(default=10, ge=1)
    """Epochs that `schedule: plateau` waits for a lower validation loss."""
    learning_rate: Positive = 4e-3
    """Learning rate of soap and adamw at the start."""
    charge_learning_rate: Positive = 1e-2
    """The same for the charges, with `electrostatics.charges: fitted`."""
    weight_decay: NonNegative = 3e-2
    """soap, adamw: decoupled decay rate of the network's weights, but not of their offsets; lm: weight of the sum of
    the squares of all weights and offsets in the loss, 1e-4 where the file does not say it; lbfgs has none."""
    average_decay: Fraction = 0.999
    """Decay of the running average of the weights over the steps of soap and adamw; the average is what is validated
    and exported."""
    gradient_clip: Positive = 10.0
    """Largest norm of the loss gradient, in soap and adamw."""
    starts: int = Field(default=1, ge=1)
    """Starts of the fitted and predicted parameters of terms, in which the loss is not convex. More than 1: values for
    whole elements are first looked for by so many descents, none into a basin that is known, on at most 512 training
    frames; training then starts from the best of them, and report/starts.md says what there was. The processes of
    `--processes` divide the descents."""
    start_steps: int = Field(default=100, ge=1)
    """Most steps of each of these descents."""
