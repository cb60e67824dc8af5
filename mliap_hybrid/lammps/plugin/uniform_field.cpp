#include "uniform_field.h"

#include "atom.h"
#include "domain.h"
#include "force.h"
#include "pair.h"
#include "utils.h"

#include <algorithm>
#include <cstddef>

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

UniformField::UniformField(LAMMPS *lmp) :
    Pointers(lmp), given(false), added(false), vector{0.0, 0.0, 0.0}, moment{0.0, 0.0, 0.0}
{
}

/* ---------------------------------------------------------------------- */

void UniformField::clear()
{
  given = false;
  std::fill_n(vector, 3, 0.0);
}

/* ---------------------------------------------------------------------- */

void UniformField::read(char **components)
{
  given = true;
  for (int k = 0; k < 3; k++) vector[k] = utils::numeric(FLERR, components[k], false, lmp);
}

/* ----------------------------------------------------------------------
   a rank without atoms has places, too: Python takes none for no field
------------------------------------------------------------------------- */

void UniformField::find_places(const ListedAtoms &centres)
{
  if (!given) return;
  added = false;
  std::fill_n(moment, 3, 0.0);
  places.resize(3 * (static_cast<std::size_t>(centres.nlistatoms) + 1));
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    domain->unmap(atom->x[i], atom->image[i], &places[3 * static_cast<std::size_t>(ii)]);
  }
}

/* ---------------------------------------------------------------------- */

double UniformField::along(const double *r) const
{
  return force->qe2f * (vector[0] * r[0] + vector[1] * r[1] + vector[2] * r[2]);
}

/* ----------------------------------------------------------------------
   a box that is sheared by xy moves x by y: the virial xy is m_y E_x
------------------------------------------------------------------------- */

void UniformField::add(Pair *pair, const ListedAtoms &centres, const double *charges,
                       const double *moments)
{
  added = true;
  static const int place[6] = {0, 1, 2, 1, 2, 2}, direction[6] = {0, 1, 2, 0, 0, 1};
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    const double *const m = &moments[3 * static_cast<std::size_t>(ii)];
    const double energy = -along(m);
    for (int k = 0; k < 3; k++) moment[k] += m[k];
    if (pair->eflag_global) pair->eng_coul += energy;
    if (pair->eflag_atom) pair->eatom[i] += energy;
    for (int k = 0; k < 3; k++) atom->f[i][k] += force->qe2f * charges[ii] * vector[k];
    for (int k = 0; k < 6; k++) {
      const double v = force->qe2f * m[place[k]] * vector[direction[k]];
      if (pair->vflag_global) pair->virial[k] += v;
      if (pair->vflag_atom) pair->vatom[i][k] += v;
    }
  }
}

/* ---------------------------------------------------------------------- */

void UniformField::add_to_atoms(Pair *pair, const ListedAtoms &centres)
{
  std::vector<double> charges(centres.nlistatoms), moments(places);
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    charges[ii] = atom->q[centres.iatoms[ii]];
    for (int k = 0; k < 3; k++) moments[3 * static_cast<std::size_t>(ii) + k] *= charges[ii];
  }
  add(pair, centres, charges.data(), moments.data());
}
