/* -*- c++ -*- ----------------------------------------------------------
   How a failure on Python's side ends the run on all ranks, told once
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_FAILURE_H
#define MLIAP_HYBRID_FAILURE_H

#include <string>

namespace LAMMPS_NS {
class LAMMPS;

// collective: all ranks bring their status

void stop_all_if_failed(LAMMPS *, int status, std::string message);

// called by a rank that failed, whatever the others do

[[noreturn]] void stop_one(LAMMPS *, const std::string &message);
}    // namespace LAMMPS_NS

#endif
