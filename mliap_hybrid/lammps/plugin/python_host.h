/* -*- c++ -*- ----------------------------------------------------------
   Finds the Python interpreter of this process, or starts one, and
   attaches mliap_hybrid.lammps.bridge to it
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_PYTHON_HOST_H
#define MLIAP_HYBRID_PYTHON_HOST_H

#include "bridge_api.h"

#include <string>

namespace PythonHost {

// the attached bridge; null if it failed, with the reason in problem.
// nthreads: OpenMP threads for an interpreter started here

mliap_bridge *attach(int nthreads, std::string &problem);
}    // namespace PythonHost

#endif
