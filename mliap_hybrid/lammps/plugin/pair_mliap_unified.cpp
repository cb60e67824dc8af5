#include "pair_mliap_unified.h"

#include "background.h"
#include "failure.h"
#include "python_host.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "kspace.h"
#include "memory.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <sstream>

using namespace LAMMPS_NS;

// LAMMPS sets up its buffers for so many numbers of an atom; longer rows go in several messages

static constexpr int MESSAGE_COLUMNS = 16;

static_assert(sizeof(tagint) == sizeof(int32_t), "the bridge passes atom IDs as 32-bit integers");

/* ---------------------------------------------------------------------- */

PairMLIAPUnified::PairMLIAPUnified(LAMMPS *lmp) :
    Pair(lmp), bridge(nullptr), model(), step(), native(), wants_native(true), checked_cell{},
    cutoff(0.0), checks(lmp), field(lmp), exchanged(nullptr), row_length(0), column(0), ncolumns(0),
    guard(new Guard(lmp)), distance_flag(0), step_of_distances(-1), run_totals{}, spread_flag(0),
    step_of_spreads(-1)
{
  single_enable = 0;
  restartinfo = 0;
  pvector = run_totals;
  one_coeff = 1;
  manybody_flag = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
  comm_forward = comm_reverse_off = MESSAGE_COLUMNS;
  offer_functions();

  MPI_Comm machine;
  int nranks;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  MPI_Comm_size(machine, &nranks);
  MPI_Comm_free(&machine);
  step.ranks_on_machine = nranks;
}

/* ---------------------------------------------------------------------- */

PairMLIAPUnified::~PairMLIAPUnified()
{
  if (copymode) return;

  if (model.handle) bridge->close_model(model.handle);
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
    memory->destroy(cutghost);
  }
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  memory->create(cutghost, n, n, "pair:cutghost");
}

/* ----------------------------------------------------------------------
   global settings: unified FILE [0|1] [total_charge Q] [trusted yes|no] [native yes|no] [field EX EY EZ]
   and those of guard.h
------------------------------------------------------------------------- */

void PairMLIAPUnified::settings(int narg, char **arg)
{
  if (narg < 1) utils::missing_cmd_args(FLERR, "pair_style mliap", error);
  if (strcmp(arg[0], "unified") != 0)
    error->all(FLERR,
               "Pair style mliap {} of LAMMPS itself is called mliap/builtin here: "
               "write mliap/builtin instead of mliap",
               arg[0]);
  if (narg < 2) utils::missing_cmd_args(FLERR, "pair_style mliap unified", error);
  ghostneigh = (narg > 2) ? utils::inumeric(FLERR, arg[2], false, lmp) : 0;
  if (ghostneigh != 0 && ghostneigh != 1)
    error->all(FLERR, "Incorrect ghost neighbor flag {} of pair_style mliap unified: use 0 or 1",
               ghostneigh);

  const char *total_charge = nullptr;
  bool trusted = false;
  wants_native = true;
  guard.reset(new Guard(lmp));
  field.clear();
  for (int iarg = 3; iarg < narg; iarg += 2) {
    const std::string keyword = arg[iarg];
    if (keyword == "field") {
      if (iarg + 4 > narg) utils::missing_cmd_args(FLERR, "pair_style mliap unified field", error);
      field.read(&arg[iarg + 1]);
      iarg += 2;
      continue;
    }
    if (iarg + 2 > narg)
      utils::missing_cmd_args(FLERR, "pair_style mliap unified " + keyword, error);
    if (guard->take(keyword, arg[iarg + 1])) continue;
    if (keyword == "trusted")
      trusted = utils::logical(FLERR, arg[iarg + 1], false, lmp);
    else if (keyword == "native")
      wants_native = utils::logical(FLERR, arg[iarg + 1], false, lmp);
    else if (keyword == "total_charge")
      total_charge = arg[iarg + 1];
    else
      error->all(FLERR, "Unknown pair_style mliap unified keyword: {}", keyword);
  }

  open_model(arg[1], trusted);
  guard->begin(arg[1], model.knows_distance, model.outside);

  if (total_charge) {
    if (!coulomb)
      error->all(FLERR,
                 "Keyword total_charge of pair_style mliap unified is for models that predict "
                 "charges, which {} does not",
                 arg[1]);
    coulomb->total_charge = utils::numeric(FLERR, total_charge, false, lmp);
  }

  nextra = (guard->is_on() ? 2 : 0) + (field.given ? 3 : 0);
  if (field.given && !coulomb && !model.point_charges)
    error->all(FLERR, "Keyword field of pair_style mliap unified is for models with charges, which {} has not",
               arg[1]);

  // another model may know other elements: pair_coeff must be given again

  if (allocated)
    for (int i = 1; i <= atom->ntypes; i++)
      for (int j = i; j <= atom->ntypes; j++) setflag[i][j] = 0;
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::open_model(const char *filename, bool trusted)
{
  std::string problem;
  if (!bridge) bridge = PythonHost::attach(comm->nthreads, problem);
  stop_all_if_failed(lmp, bridge ? MLIAP_OK : MLIAP_INPUT_ERROR, problem);

  if (model.handle) bridge->close_model(model.handle);
  model = mliap_model();
  native = mliap_native();
  const int status = bridge->open_model(filename, trusted, &model);
  stop_all_if_failed(lmp, status, bridge->message);

  cutoff = 2.0 * model.rcutfac;
  element_names.clear();
  std::istringstream names(model.elements);
  for (std::string name; names >> name;) element_names.push_back(name);

  // predicted charges: KSpace accepts this style, which brings its own real-space part without
  // a table

  coulomb.reset();
  if (model.predicts_charges) coulomb.reset(new CoulombSolver(lmp, this, model));
  ewaldflag = pppmflag = coulomb ? 1 : 0;
  no_virial_fdotr_compute = tallies_virials() ? 1 : 0;
  centroidstressflag = (model.centroid_stress == 1) ? CENTROID_AVAIL : CENTROID_NOTAVAIL;
  if (coulomb) ncoultablebits = 0;
}

/* ----------------------------------------------------------------------
   fixed charges that do not add up to 0
------------------------------------------------------------------------- */

bool PairMLIAPUnified::has_background() const
{
  return model.point_charges && model.total_charge != 0.0;
}

/* ----------------------------------------------------------------------
   by pairs and atoms, instead of from the forces on all atoms: KSpace adds to
   the forces that fdotr would take for pairs', a background has a virial
   without forces, and the forces of a field act where atoms would be without
   boundaries
------------------------------------------------------------------------- */

bool PairMLIAPUnified::tallies_virials() const
{
  return coulomb || has_background() || field.given;
}

/* ----------------------------------------------------------------------
   map atom types to elements: * * ELEMENT_OF_TYPE_1 ... , NULL for none.
   LAMMPS has checked the * * already (one_coeff)
------------------------------------------------------------------------- */

void PairMLIAPUnified::coeff(int narg, char **arg)
{
  const int ntypes = atom->ntypes;
  if (narg != 2 + ntypes)
    error->all(FLERR,
               "Pair style mliap expects pair_coeff * * and one element for each of the {} types",
               ntypes);
  if (!allocated) allocate();

  element_of_type.assign(ntypes + 1, -1);
  for (int i = 1; i <= ntypes; i++)
    if (strcmp(arg[i + 1], "NULL") != 0) element_of_type[i] = element_index(arg[i + 1]);

  int count = 0;
  for (int i = 1; i <= ntypes; i++)
    for (int j = i; j <= ntypes; j++) {
      setflag[i][j] = (element_of_type[i] >= 0 && element_of_type[j] >= 0) ? 1 : 0;
      count += setflag[i][j];
    }
  if (count == 0)
    error->all(FLERR, "pair_coeff of pair style mliap maps no atom type to an element");
}

/* ---------------------------------------------------------------------- */

static std::string lowercase(std::string word)
{
  for (auto &letter : word) letter = static_cast<char>(std::tolower(letter));
  return word;
}

/* ---------------------------------------------------------------------- */

int PairMLIAPUnified::element_index(const std::string &name) const
{
  for (int i = 0; i < model.nelements; i++)
    if (element_names[i] == name) return i;

  std::string hint;
  for (const auto &known : element_names)
    if (lowercase(known) == lowercase(name)) hint = fmt::format(": did you mean '{}'?", known);
  error->all(FLERR, "The model does not know the element '{}' of pair_coeff, it knows {}{}", name,
             model.elements, hint);
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::init_style()
{
  if (!atom->tag_enable) error->all(FLERR, "Pair style mliap requires atom IDs");

  // newton off: the virial is tallied by pairs, as ghost forces are folded back in compute()

  no_virial_fdotr_compute = (force->newton_pair && !tallies_virials()) ? 0 : 1;
  checks.init();
  if (coulomb) coulomb->init(cutoff, element_of_type);

  if (ghostneigh) {
    comm->cutghostuser = MAX(comm->cutghostuser, 2.0 * cutoff + neighbor->skin);
    neighbor->add_request(this, NeighConst::REQ_FULL | NeighConst::REQ_GHOST);
  } else
    neighbor->add_request(this, NeighConst::REQ_FULL);
}

/* ---------------------------------------------------------------------- */

double PairMLIAPUnified::init_one(int i, int j)
{
  if (setflag[i][j] == 0) error->all(FLERR, "All pair coeffs are not set");
  cutghost[i][j] = cutghost[j][i] = cutoff;
  return cutoff;
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  step.check_run = checks.due();
  if (step.check_run) {
    checks.check(list, element_of_type, model);
    if (coulomb) coulomb->check_other_atoms(element_of_type);
  }
  centres.fill(atom, list, element_of_type, checks.hidden);
  field.find_places(centres);
  describe_step(eflag, vflag);
  if (wants_native && (step.check_run || box_to_be_checked())) prepare_native();

  if (!force->newton_pair) clear_ghosts();
  if (native.potential)
    compute_natively();
  else
    compute_in_python();
  if (!force->newton_pair) send_ghosts_home();
  if (wants_distances()) use_distances();
  if (field.given) std::copy_n(field.moment, 3, run_totals + nextra - 3);

  if (vflag_either && has_background() && force->kspace) add_background_virial(lmp, this);
  if (vflag_fdotr) virial_fdotr_compute();
}

/* ----------------------------------------------------------------------
   for KSpace, which then looks at the charges; for fix pair, which asks for
   distances
------------------------------------------------------------------------- */

void *PairMLIAPUnified::extract(const char *name, int &dim)
{
  dim = 0;
  if (strcmp(name, "distance_flag") == 0) return model.knows_distance ? &distance_flag : nullptr;
  if (strcmp(name, "force_spread_flag") == 0) return model.nmembers > 1 ? &spread_flag : nullptr;
  if (!coulomb || strcmp(name, "cut_coul") != 0) return nullptr;
  coulomb->prepare_kspace(element_of_type);
  return &cutoff;
}

/* ----------------------------------------------------------------------
   for fix pair
------------------------------------------------------------------------- */

void *PairMLIAPUnified::extract_peratom(const char *name, int &ncol)
{
  ncol = 0;
  if (strcmp(name, "distance") == 0)
    return step_of_distances == update->ntimestep ? distances.data() : nullptr;
  if (strcmp(name, "force_spread") == 0)
    return step_of_spreads == update->ntimestep ? spreads.data() : nullptr;
  if (!coulomb) return nullptr;
  if (strcmp(name, "charge") == 0) return atom->q;
  if (strcmp(name, "potential") == 0) return coulomb->potentials.data();
  return nullptr;
}

/* ---------------------------------------------------------------------- */

double PairMLIAPUnified::memory_usage()
{
  double bytes = Pair::memory_usage();
  bytes += centres.memory_usage() + pairs.memory_usage();
  const auto ndoubles =
      eatoms.capacity() + of_centres.capacity() + bound_slopes.capacity() + changes.capacity() +
      distances.capacity() + distances_of_centres.capacity() + spreads.capacity() +
      member_forces.capacity();
  bytes += static_cast<double>(ndoubles) * sizeof(double);
  return bytes;
}
