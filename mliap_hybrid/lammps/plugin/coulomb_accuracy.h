/* -*- c++ -*- ----------------------------------------------------------
   What kspace_modify can spoil: the cut-off in real space and the mesh
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_COULOMB_ACCURACY_H
#define MLIAP_HYBRID_COULOMB_ACCURACY_H

#include <string>

namespace LAMMPS_NS {
class LAMMPS;

// an error if an estimate of the rms force error exceeds the limit, relative to the force between
// two unit charges.  whose: which style has the cutoff

void check_coulomb_accuracy(LAMMPS *, double sum_of_squares, double cutoff, double limit,
                            const std::string &whose);
}    // namespace LAMMPS_NS

#endif
