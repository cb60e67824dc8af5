/* -*- c++ -*- ----------------------------------------------------------
   fix ID group mliap/species N FOLDER ELEMENT ... [form A] [break B]
                              [persistence T] [overwrite yes|no]

   Molecules and reactions while LAMMPS runs, with any pair style.  Each
   rank finds the pairs that may be bonded; those of all ranks go to the
   first one, where Python follows them (../species_in_run.py)
------------------------------------------------------------------------- */

#ifndef LMP_FIX_MLIAP_SPECIES_H
#define LMP_FIX_MLIAP_SPECIES_H

#include "fix.h"

#include "bridge_api.h"
#include "species_api.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class FixMLIAPSpecies : public Fix {
 public:
  FixMLIAPSpecies(class LAMMPS *, int, char **);
  ~FixMLIAPSpecies() override;

  int setmask() override;
  void init() override;
  void setup(int) override;
  void end_of_step() override;
  void post_run() override;
  double compute_vector(int) override;

 private:
  mliap_bridge *bridge;    // Python's side, on the first rank
  mliap_species species;
  std::string folder, elements;
  std::vector<double> radii;    // of the types
  bigint last;                  // step of the last moment, -1 if there was none
  double counts[3];             // molecules and their kinds now, reactions since the start

  void read_options(int, char **);
  void open();
  void follow();
  void stop_if_failed(int status);
  double largest_bond() const;
};
}    // namespace LAMMPS_NS

#endif
