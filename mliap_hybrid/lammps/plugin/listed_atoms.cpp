#include "listed_atoms.h"

#include "atom.h"
#include "neigh_list.h"

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

void ListedAtoms::fill(const Atom *atom, const NeighList *list,
                       const std::vector<int> &element_of_type, int hidden)
{
  const int nall = atom->nlocal + atom->nghost;
  if (static_cast<int>(elems.size()) < nall) elems.resize(atom->nmax);
  for (int i = 0; i < nall; i++) elems[i] = element_of_type[atom->type[i]];

  const int ncentres = list->inum + (list->ghost ? list->gnum : 0);
  if (static_cast<int>(iatoms.size()) < ncentres) {
    iatoms.resize(ncentres + ncentres / 8);
    ielems.resize(iatoms.size());
  }

  nlistatoms = natomneigh = 0;
  for (int ii = 0; ii < ncentres; ii++) {
    const int i = list->ilist[ii];
    if (atom->mask[i] & hidden) continue;
    iatoms[natomneigh] = i;
    ielems[natomneigh] = elems[i];
    natomneigh++;
    if (ii < list->inum) nlistatoms++;
  }
}

/* ---------------------------------------------------------------------- */

double ListedAtoms::memory_usage() const
{
  return (elems.capacity() + iatoms.capacity() + ielems.capacity()) * static_cast<double>(sizeof(int));
}
