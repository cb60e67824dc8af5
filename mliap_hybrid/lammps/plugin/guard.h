/* -*- c++ -*- ----------------------------------------------------------
   What a run does where atoms are farther from the training set than the
   model knows: keywords of pair_style mliap unified

     guard warn|halt|dump [every N] [threshold X] [pause N] [file NAME]

   looks at all atoms each N steps.  warn: a warning, halt: the end of all
   ranks, with one sentence; dump: a warning, and the surroundings of the
   farthest atom as extended XYZ.  Warnings and structures come once in so
   many steps (pause)
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_GUARD_H
#define MLIAP_HYBRID_GUARD_H

#include "pointers.h"

#include "listed_atoms.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class Guard : protected Pointers {
 public:
  double totals[2];    // largest and mean distance of all atoms at the last look

  Guard(LAMMPS *);

  // settings: whether a keyword is one of these; then nothing that contradicts itself

  bool take(const std::string &keyword, const char *value);
  void begin(const char *model_name, bool knows_distance, double outside);

  bool is_on() const { return action != Action::none; }
  bool due(bool energies_are_printed) const;
  bool writes_structures() const { return action == Action::dump; }

  // collective: whether there is something to do, of the distances [nlistatoms] of the centres

  bool finds(const ListedAtoms &, const double *distances);

  // collective, if so; distances [ntotal] with those of ghosts

  void act(const ListedAtoms &, const std::vector<double> &distances,
           const std::vector<std::string> &element_names, double cutoff);

 private:
  enum class Action { none, warn, halt, dump };

  Action action;
  int every, pause;
  double threshold;    // 0: that of the model
  std::string file;
  bool has_options;
  bigint last_said;    // step of the last warning, -1 for none

  // the farthest atom at the last look

  int owner, place;    // its rank, and which centre it is there
  double n_beyond, n_atoms;

  std::string write_structure(int, const std::string &, const ListedAtoms &,
                              const std::vector<double> &, const std::vector<std::string> &,
                              double) const;
};
}    // namespace LAMMPS_NS

#endif
