#include "fix_mliap_species.h"

#include "close_pairs.h"
#include "failure.h"
#include "python_host.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   the vectors of all ranks, one after another, on the first one
------------------------------------------------------------------------- */

template <class T> static std::vector<T> gather(const std::vector<T> &mine, MPI_Datatype type, MPI_Comm world)
{
  int me, nprocs;
  MPI_Comm_rank(world, &me);
  MPI_Comm_size(world, &nprocs);
  const int n = static_cast<int>(mine.size());
  std::vector<int> counts(nprocs), places(nprocs);
  MPI_Gather(&n, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
  for (int rank = 1; rank < nprocs; rank++) places[rank] = places[rank - 1] + counts[rank - 1];
  std::vector<T> all(me == 0 ? places[nprocs - 1] + counts[nprocs - 1] : 0);
  MPI_Gatherv(mine.data(), n, type, all.data(), counts.data(), places.data(), type, 0, world);
  return all;
}

/* ---------------------------------------------------------------------- */

FixMLIAPSpecies::FixMLIAPSpecies(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), bridge(nullptr), species(), last(-1), counts()
{
  read_options(narg, arg);
  vector_flag = 1;
  size_vector = 3;
  global_freq = nevery;
  extvector = 0;
  time_depend = 1;
  open();
}

/* ---------------------------------------------------------------------- */

FixMLIAPSpecies::~FixMLIAPSpecies()
{
  if (bridge && species.handle) bridge->close_species(species.handle);
}

/* ---------------------------------------------------------------------- */

void FixMLIAPSpecies::read_options(int narg, char **arg)
{
  const int ntypes = atom->ntypes;
  if (narg < 5 + ntypes)
    error->all(FLERR,
               "Fix mliap/species: expected an interval, a folder and an element for each of the {} atom types, as in "
               "fix 1 all mliap/species 100 species H O",
               ntypes);
  nevery = utils::inumeric(FLERR, arg[3], false, lmp);
  if (nevery <= 0) error->all(FLERR, "Fix mliap/species: the interval is {}, expected a number of steps", nevery);
  folder = arg[4];
  for (int type = 1; type <= ntypes; type++) elements += std::string(arg[4 + type]) + " ";

  species.form = 0.25;
  species.break_apart = 0.65;
  for (int iarg = 5 + ntypes; iarg < narg; iarg += 2) {
    if (iarg + 1 == narg) error->all(FLERR, "Fix mliap/species: {} needs a value", arg[iarg]);
    if (strcmp(arg[iarg], "form") == 0)
      species.form = utils::numeric(FLERR, arg[iarg + 1], false, lmp);
    else if (strcmp(arg[iarg], "break") == 0)
      species.break_apart = utils::numeric(FLERR, arg[iarg + 1], false, lmp);
    else if (strcmp(arg[iarg], "persistence") == 0)
      species.persistence = utils::numeric(FLERR, arg[iarg + 1], false, lmp);
    else if (strcmp(arg[iarg], "overwrite") == 0)
      species.overwrite = utils::logical(FLERR, arg[iarg + 1], false, lmp);
    else
      error->all(FLERR,
                 "Fix mliap/species: {} is no keyword, expected form, break, persistence or overwrite after the "
                 "elements of the {} atom types",
                 arg[iarg], ntypes);
  }
}

/* ----------------------------------------------------------------------
   Python checks the options, and says how large the atoms are
------------------------------------------------------------------------- */

void FixMLIAPSpecies::open()
{
  radii.assign(atom->ntypes, 0.0);
  int status = MLIAP_OK;
  std::string message;
  if (comm->me == 0) {
    bridge = PythonHost::attach(comm->nthreads, message);
    species.folder = folder.c_str();
    species.elements = elements.c_str();
    species.unit_style = update->unit_style;
    species.radii = radii.data();
    status = bridge ? bridge->open_species(&species) : MLIAP_INPUT_ERROR;
    if (bridge) message = bridge->message;
  }
  stop_all_if_failed(lmp, status, message);
  MPI_Bcast(radii.data(), atom->ntypes, MPI_DOUBLE, 0, world);
}

/* ---------------------------------------------------------------------- */

int FixMLIAPSpecies::setmask()
{
  return FixConst::END_OF_STEP | FixConst::POST_RUN;
}

/* ---------------------------------------------------------------------- */

double FixMLIAPSpecies::largest_bond() const
{
  return 2.0 * *std::max_element(radii.begin(), radii.end()) + species.break_apart;
}

/* ---------------------------------------------------------------------- */

void FixMLIAPSpecies::init()
{
  if (!atom->tag_enable) error->all(FLERR, "Fix mliap/species follows atoms by their IDs, but atoms have none");
}

/* ---------------------------------------------------------------------- */

void FixMLIAPSpecies::setup(int)
{
  const double known = comm->get_comm_cutoff();    // 0 with one rank, whose ghosts are all there
  if (known < largest_bond())
    error->all(FLERR,
               "Fix mliap/species: bonds may be {:.3g} long, but atoms of other ranks are known up to {:.3g}: set "
               "comm_modify cutoff {:.3g}",
               largest_bond(), known, largest_bond());
  if (update->ntimestep % nevery == 0 && update->ntimestep != last) follow();
}

/* ---------------------------------------------------------------------- */

void FixMLIAPSpecies::end_of_step()
{
  follow();
}

/* ---------------------------------------------------------------------- */

void FixMLIAPSpecies::follow()
{
  const int nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  std::vector<double> radius(nall);
  for (int i = 0; i < nall; i++)
    radius[i] = (atom->mask[i] & groupbit) ? radii[atom->type[i] - 1] : -1.0;
  const auto close = close_pairs(nlocal, nall, atom->x, radius, species.break_apart);

  std::vector<int> tags, types, pairs;
  std::vector<signed char> is_close;
  for (int i = 0; i < nlocal; i++) {
    if (radius[i] < 0.0) continue;
    tags.push_back(atom->tag[i]);
    types.push_back(atom->type[i]);
  }
  for (const auto &pair : close) {
    pairs.push_back(atom->tag[pair.i]);
    pairs.push_back(atom->tag[pair.j]);
    is_close.push_back(pair.beyond < species.form);
  }
  tags = gather(tags, MPI_INT, world);
  types = gather(types, MPI_INT, world);
  pairs = gather(pairs, MPI_INT, world);
  is_close = gather(is_close, MPI_SIGNED_CHAR, world);

  int status = MLIAP_OK;
  if (comm->me == 0) {
    mliap_moment moment = {};
    moment.ntimestep = update->ntimestep;
    moment.time = update->atime + (update->ntimestep - update->atimestep) * update->dt;
    const bool has_volume = domain->xperiodic && domain->yperiodic && domain->zperiodic;
    moment.volume = has_volume ? domain->xprd * domain->yprd * domain->zprd : 0.0;
    moment.natoms = static_cast<int64_t>(tags.size());
    moment.npairs = static_cast<int64_t>(is_close.size());
    moment.tags = tags.data();
    moment.types = types.data();
    moment.pairs = pairs.data();
    moment.is_close = reinterpret_cast<const int8_t *>(is_close.data());
    status = bridge->follow_species(species.handle, &moment);
    counts[0] = moment.nmolecules;
    counts[1] = moment.nkinds;
    counts[2] = moment.nreactions;
  }
  stop_if_failed(status);
  MPI_Bcast(counts, 3, MPI_DOUBLE, 0, world);
  last = update->ntimestep;
}

/* ---------------------------------------------------------------------- */

void FixMLIAPSpecies::post_run()
{
  stop_if_failed(comm->me == 0 ? bridge->write_species(species.handle) : MLIAP_OK);
}

/* ---------------------------------------------------------------------- */

void FixMLIAPSpecies::stop_if_failed(int status)
{
  stop_all_if_failed(lmp, status, status == MLIAP_OK ? "" : bridge->message);
}

/* ---------------------------------------------------------------------- */

double FixMLIAPSpecies::compute_vector(int n)
{
  return counts[n];
}
