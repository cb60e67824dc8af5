/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: what Python may call while
   compute() waits for it
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "failure.h"

#include "atom.h"

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   no C++ exception may cross the frames of Python: it is kept until
   Python has returned to compute()
------------------------------------------------------------------------- */

template <typename Work> int PairMLIAPUnified::guarded(mliap_step *s, Work work)
{
  auto *pair = static_cast<PairMLIAPUnified *>(s->pair);
  try {
    work(pair);
    return 0;
  } catch (...) {
    pair->failure = std::current_exception();
    return -1;
  }
}

/* ----------------------------------------------------------------------
   what Python may call during compute()
------------------------------------------------------------------------- */

void PairMLIAPUnified::offer_functions()
{
  using Me = PairMLIAPUnified;
  step.pair = this;
  step.update_pair_energy = [](mliap_step *s, const double *eij) {
    return guarded(s, [=](Me *pair) { pair->update_pair_energy(eij); });
  };
  step.update_pair_forces = [](mliap_step *s, const double *fij) {
    return guarded(s, [=](Me *pair) { pair->update_pair_forces(fij); });
  };
  step.solve_coulomb = [](mliap_step *s, const double *q, double *phi) {
    return guarded(s, [=](Me *pair) { pair->solve_coulomb(q, phi); });
  };
  step.add_coulomb = [](mliap_step *s, const double *q, const double *phi, const double *f,
                        const double *v) {
    return guarded(s, [=](Me *pair) { pair->add_coulomb(q, phi, f, v); });
  };
  step.add_field = [](mliap_step *s, const double *q, const double *m) {
    return guarded(s, [=](Me *pair) { pair->field.add(pair, pair->centres, q, m); });
  };
  step.forward_exchange = [](mliap_step *s, double *values, int32_t n) {
    return guarded(s, [=](Me *pair) { pair->forward_exchange(values, n); });
  };
  step.reverse_exchange = [](mliap_step *s, double *values, int32_t n) {
    return guarded(s, [=](Me *pair) { pair->reverse_exchange(values, n); });
  };
  step.sum_over_ranks = [](mliap_step *s, double *values, int32_t n) {
    return guarded(s, [=](Me *pair) {
      MPI_Allreduce(MPI_IN_PLACE, values, n, MPI_DOUBLE, MPI_SUM, pair->world);
    });
  };
}

/* ----------------------------------------------------------------------
   half of each pair energy belongs to its centre, none to ghost centres
------------------------------------------------------------------------- */

void PairMLIAPUnified::update_pair_energy(const double *eij)
{
  int64_t ij = 0;
  step.energy = 0.0;
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    double esum = 0.0;
    for (const int64_t last = ij + pairs.numneighs[ii]; ij < last; ij++) esum += eij[ij];
    eatoms[ii] = 0.5 * esum;
    step.energy += eatoms[ii];
  }
}

/* ----------------------------------------------------------------------
   fij = dE/drij with rij = xj - xi, so it acts on i and its negative on j
------------------------------------------------------------------------- */

void PairMLIAPUnified::update_pair_forces(const double *fij)
{
  double **const f = atom->f;
  for (int64_t ij = 0; ij < pairs.npairs; ij++) {
    const double *const fpair = &fij[3 * ij];
    const int i = pairs.pair_i[ij];
    const int j = pairs.jatoms[ij];
    f[i][0] += fpair[0];
    f[i][1] += fpair[1];
    f[i][2] += fpair[2];
    f[j][0] -= fpair[0];
    f[j][1] -= fpair[1];
    f[j][2] -= fpair[2];
    const double *const rij = &pairs.rij[3 * ij];
    if (vflag_either) v_tally(i, j, fpair, rij);
    if (cvflag_atom) cv_tally(j, fpair, rij);
  }
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::v_tally(int i, int j, const double *fij, const double *rij)
{
  const double v[6] = {-rij[0] * fij[0], -rij[1] * fij[1], -rij[2] * fij[2],
                       -rij[0] * fij[1], -rij[0] * fij[2], -rij[1] * fij[2]};
  if (vflag_global)
    for (int k = 0; k < 6; k++) virial[k] += v[k];
  if (vflag_atom)
    for (int k = 0; k < 6; k++) {
      vatom[i][k] += 0.5 * v[k];
      vatom[j][k] += 0.5 * v[k];
    }
}

/* ----------------------------------------------------------------------
   the energy of centre i changes with its neighbor j at the rate fij . vj,
   and is at rij from it: all of the heat that the pair carries goes with j.
   Order: xx, yy, zz, xy, xz, yz, yx, zx, zy, the place before the force;
   Surblys, Matsubara, Kikugawa and Ohara, Phys. Rev. E 99, 051301 (2019)
------------------------------------------------------------------------- */

void PairMLIAPUnified::cv_tally(int j, const double *fij, const double *rij)
{
  static const int place[9] = {0, 1, 2, 0, 0, 1, 1, 2, 2};
  static const int direction[9] = {0, 1, 2, 1, 2, 2, 0, 0, 1};
  for (int k = 0; k < 9; k++) cvatom[j][k] -= rij[place[k]] * fij[direction[k]];
}

/* ----------------------------------------------------------------------
   KSpace solves; real space is added here
------------------------------------------------------------------------- */

void PairMLIAPUnified::solve_coulomb(const double *charges, double *potentials)
{
  if (!coulomb || model.solves_coulomb)
    stop_one(lmp, "Only a model with predicts_charges and without solves_coulomb can call "
                  "solve_coulomb()");
  coulomb->write_charges(centres, charges);
  forward_exchange(atom->q, 1);
  coulomb->solve(centres, list);
  for (int ii = 0; ii < centres.nlistatoms; ii++)
    potentials[ii] = coulomb->potentials[centres.iatoms[ii]];
}

/* ----------------------------------------------------------------------
   Python has solved
------------------------------------------------------------------------- */

void PairMLIAPUnified::add_coulomb(const double *charges, const double *potentials,
                                   const double *forces, const double *virial_share)
{
  if (!coulomb || !model.solves_coulomb)
    stop_one(lmp, "Only a model with predicts_charges and solves_coulomb can call add_coulomb()");
  coulomb->write_charges(centres, charges);
  forward_exchange(atom->q, 1);
  coulomb->add(centres, potentials, forces, virial_share);
}
