/* -*- c++ -*- ----------------------------------------------------------
   Who runs KSpace: LAMMPS after the pair style, or the pair style itself.
   LAMMPS leaves out a solver whose compute_flag is 0 (kspace_modify
   compute no), but it looks at the flag before any style is initialised:
   so it is lowered when the solver or the pair style is created,
   whichever comes later
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_KSPACE_HANDOVER_H
#define MLIAP_HYBRID_KSPACE_HANDOVER_H

namespace LAMMPS_NS {
class LAMMPS;

namespace KSpaceHandover {

// the solvers that a pair style can run itself

bool supported(const char *kspace_style);

// from now on such a solver is looked at when kspace_style creates it

void watch_kspace_styles(LAMMPS *);

// by a pair style that runs KSpace itself, and when it does so no more

void take(LAMMPS *);
void give_back(LAMMPS *);

// # of pair styles of this LAMMPS that have taken it

int takers(LAMMPS *);
}    // namespace KSpaceHandover
}    // namespace LAMMPS_NS

#endif
