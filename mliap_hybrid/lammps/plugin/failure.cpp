#include "failure.h"

#include "bridge_api.h"

#include "comm.h"
#include "error.h"
#include "lammps.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   the first rank that failed tells why, and all end
------------------------------------------------------------------------- */

void LAMMPS_NS::stop_all_if_failed(LAMMPS *lmp, int status, std::string message)
{
  const int nprocs = lmp->comm->nprocs;
  const int mine = (status == MLIAP_OK) ? nprocs : lmp->comm->me;
  int first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, lmp->world);
  if (first == nprocs) return;

  int length = static_cast<int>(message.size());
  MPI_Bcast(&status, 1, MPI_INT, first, lmp->world);
  MPI_Bcast(&length, 1, MPI_INT, first, lmp->world);
  message.resize(length);
  MPI_Bcast(&message[0], length, MPI_CHAR, first, lmp->world);
  if (status == MLIAP_INPUT_ERROR) lmp->error->all(FLERR, message);
  lmp->error->all(FLERR, "Python ended with an exception:\n{}", message);
}

/* ----------------------------------------------------------------------
   not collective: other ranks may wait inside the model, so abort them.
   Where all ranks fail alike, the first one has the time to say so alone
------------------------------------------------------------------------- */

void LAMMPS_NS::stop_one(LAMMPS *lmp, const std::string &message)
{
  using std::chrono::milliseconds;
  if (lmp->comm->nprocs == 1) lmp->error->all(FLERR, message);

  std::this_thread::sleep_for(milliseconds(2000 * std::min(lmp->comm->me, 3)));
  try {
    lmp->error->one(FLERR, message);
  } catch (...) {
    fflush(nullptr);
    std::this_thread::sleep_for(milliseconds(1500));    // for mpiexec to pass the message on, on a busy machine, too
    MPI_Abort(lmp->world, 1);    // here: a Python program that holds LAMMPS might go on otherwise
    throw;
  }
}
