#include "guard.h"

#include "bridge_api.h"
#include "failure.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "update.h"

#include <cmath>
#include <cstdio>
#include <limits>

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

Guard::Guard(LAMMPS *lmp) :
    Pointers(lmp), totals{}, action(Action::none), every(10), pause(1000), threshold(0.0),
    file("outside.extxyz"), has_options(false), last_said(-1), owner(0), place(0), n_beyond(0.0),
    n_atoms(0.0)
{
}

/* ---------------------------------------------------------------------- */

bool Guard::take(const std::string &keyword, const char *value)
{
  if (keyword == "guard") {
    const std::string word = value;
    if (word == "warn")
      action = Action::warn;
    else if (word == "halt")
      action = Action::halt;
    else if (word == "dump")
      action = Action::dump;
    else
      error->all(FLERR, "Unknown guard {} of pair_style mliap unified: use warn, halt or dump", word);
    return true;
  }
  if (keyword == "every")
    every = utils::inumeric(FLERR, value, false, lmp);
  else if (keyword == "pause")
    pause = utils::inumeric(FLERR, value, false, lmp);
  else if (keyword == "threshold")
    threshold = utils::numeric(FLERR, value, false, lmp);
  else if (keyword == "file")
    file = value;
  else
    return false;
  const bool in_range = every > 0 && pause >= 0 && (keyword != "threshold" || threshold > 0.0);
  if (!in_range)
    error->all(FLERR,
               "Keyword {} of pair_style mliap unified is out of range: expected a number above 0, found {}",
               keyword, value);
  has_options = true;
  return true;
}

/* ---------------------------------------------------------------------- */

void Guard::begin(const char *model_name, bool knows_distance, double outside)
{
  if (has_options && !is_on())
    error->all(FLERR,
               "Keywords every, threshold, pause and file of pair_style mliap unified need a guard: "
               "add guard warn, halt or dump");
  if (!is_on()) return;
  if (!knows_distance)
    error->all(FLERR,
               "Keyword guard of pair_style mliap unified is for models that know their distance to "
               "the training set, which {} does not: train and export it with this version",
               model_name);
  if (threshold == 0.0) threshold = outside;
}

/* ---------------------------------------------------------------------- */

bool Guard::due(bool energies_are_printed) const
{
  if (!is_on()) return false;
  return energies_are_printed || update->setupflag || update->ntimestep % every == 0;
}

/* ---------------------------------------------------------------------- */

bool Guard::finds(const ListedAtoms &centres, const double *distances)
{
  struct {
    double distance;
    int rank;
  } mine = {-1.0, comm->me}, all;
  double sums[3] = {0.0, 0.0, static_cast<double>(centres.nlistatoms)};
  place = 0;
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    // what is not a number is beyond all numbers
    const double d = std::isnan(distances[ii]) ? std::numeric_limits<double>::infinity() : distances[ii];
    if (d > mine.distance) {
      mine.distance = d;
      place = ii;
    }
    if (d > threshold) sums[0] += 1.0;
    sums[1] += d;
  }
  MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world);
  MPI_Allreduce(MPI_IN_PLACE, sums, 3, MPI_DOUBLE, MPI_SUM, world);
  owner = all.rank;
  n_beyond = sums[0];
  n_atoms = sums[2];
  totals[0] = (n_atoms > 0.0) ? all.distance : 0.0;
  totals[1] = (n_atoms > 0.0) ? sums[1] / n_atoms : 0.0;
  if (totals[0] <= threshold) return false;
  const bigint now = update->ntimestep;    // reset_timestep can have set it back
  return action == Action::halt || last_said < 0 || now < last_said || now >= last_said + pause;
}

/* ---------------------------------------------------------------------- */

void Guard::act(const ListedAtoms &centres, const std::vector<double> &distances,
                const std::vector<std::string> &element_names, double cutoff)
{
  const bool is_mine = comm->me == owner;
  int facts[2] = {0, 0};
  if (is_mine) {
    facts[0] = atom->tag[centres.iatoms[place]];
    facts[1] = centres.ielems[place];
  }
  MPI_Bcast(facts, 2, MPI_INT, owner, world);
  std::string message = fmt::format(
      "At step {}, atom {} ({}) is at a distance of {:.4g} from what the model was trained on, beyond "
      "the threshold of {:.4g}; beyond it: {:.0f} of {:.0f} atoms",
      update->ntimestep, facts[0], element_names[facts[1]], totals[0], threshold, n_beyond, n_atoms);
  if (action == Action::halt) error->all(FLERR, message + "; the run ends here (guard halt)");

  last_said = update->ntimestep;
  if (action == Action::dump) {
    std::string mistake;
    if (is_mine)
      mistake = write_structure(centres.iatoms[place], element_names[facts[1]], centres, distances,
                                element_names, cutoff);
    stop_all_if_failed(lmp, mistake.empty() ? MLIAP_OK : MLIAP_INPUT_ERROR, mistake);
    message += fmt::format("; its surroundings are in {}", file);
  }
  if (comm->me == 0) error->warning(FLERR, message);
}

/* ----------------------------------------------------------------------
   the atom first, then all that it sees, ghosts among them; returns what
   went wrong, as a sentence
------------------------------------------------------------------------- */

std::string Guard::write_structure(int i, const std::string &element, const ListedAtoms &centres,
                                   const std::vector<double> &distances,
                                   const std::vector<std::string> &element_names, double cutoff) const
{
  const double *const *const x = atom->x;
  std::vector<int> seen = {i};
  for (int j = 0; j < atom->nlocal + atom->nghost; j++) {
    if (j == i || centres.elems[j] < 0) continue;
    double rsq = 0.0;
    for (int k = 0; k < 3; k++) rsq += (x[j][k] - x[i][k]) * (x[j][k] - x[i][k]);
    if (rsq < cutoff * cutoff) seen.push_back(j);
  }
  std::FILE *const to = std::fopen(file.c_str(), "a");
  if (!to)
    return fmt::format("Cannot open the file {} of guard dump: {}", file, utils::getsyserror());
  std::string text = fmt::format("{}\nProperties=species:S:1:pos:R:3:id:I:1:distance:R:1 pbc=\"F F F\" "
                                 "step={} atom={} element={} distance={:.6g} threshold={:.6g}\n",
                                 seen.size(), update->ntimestep, atom->tag[i], element, distances[i],
                                 threshold);
  for (const int j : seen)
    text += fmt::format("{} {:.10g} {:.10g} {:.10g} {} {:.6g}\n", element_names[centres.elems[j]],
                        x[j][0], x[j][1], x[j][2], atom->tag[j], distances[j]);
  const bool is_written = std::fputs(text.c_str(), to) >= 0;
  if (std::fclose(to) != 0 || !is_written)
    return fmt::format("Cannot write the file {} of guard dump: {}", file, utils::getsyserror());
  return "";
}
