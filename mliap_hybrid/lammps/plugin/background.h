/* -*- c++ -*- ----------------------------------------------------------
   The uniform background that makes a charged system neutral
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_BACKGROUND_H
#define MLIAP_HYBRID_BACKGROUND_H

namespace LAMMPS_NS {
class LAMMPS;
class Pair;

// adds the virial of its energy -pi Q^2 / (2 g^2 V) to that of the pair style, global and of atoms.
// KSpace has the energy alone.  Collective

void add_background_virial(LAMMPS *, Pair *);
}    // namespace LAMMPS_NS

#endif
