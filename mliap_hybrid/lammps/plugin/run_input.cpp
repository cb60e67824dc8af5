/* ----------------------------------------------------------------------
   For the launcher, which holds LAMMPS inside Python: process the input
   that lmp's own flags named, and end as lmp's main() does
------------------------------------------------------------------------- */

#include "exceptions.h"
#include "input.h"
#include "lammps.h"

#include <cstdio>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   0 if all went well, 1 if all ranks stopped with an error; an error of a
   single rank does not return.  LAMMPS has printed the message already
------------------------------------------------------------------------- */

extern "C" __attribute__((visibility("default"))) int mliap_hybrid_run_input(void *ptr)
{
  auto *lmp = static_cast<LAMMPS *>(ptr);
  try {
    lmp->input->file();
  } catch (const LAMMPSAbortException &error) {
    MPI_Abort(error.get_universe(), 1);
  } catch (const LAMMPSException &) {
    return 1;
  } catch (const std::exception &error) {
    fprintf(stderr, "Exception: %s\n", error.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  return 0;
}
