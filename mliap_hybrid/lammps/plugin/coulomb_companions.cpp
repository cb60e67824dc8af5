#include "coulomb_companions.h"

#include "force.h"
#include "lammps.h"
#include "neigh_list.h"
#include "pair.h"
#include "utils.h"

#include <algorithm>

using namespace LAMMPS_NS;

// words in the names of all styles of LAMMPS that act on charges

static const char *const WORDS[] = {"coul", "tip4p", "dipole", "thole", "reax",
                                    "comb", "amoeba", "hippo", "streitz"};

// words of those that do more, or less, than the real-space part of point charges

static const char *const OTHERS[] = {"soft", "dielectric", "tip4p", "slater", "gauss", "dipole"};

static const int COULOMB_ORDER = 1 << 1;    // bit of ewald_order of styles */long/coul/long

/* ---------------------------------------------------------------------- */

static bool completes_kspace(Pair *pair, const std::string &name)
{
  if (!utils::strmatch(name, "coul/long") && !utils::strmatch(name, "coul/msm")) return false;
  for (const char *word : OTHERS)
    if (utils::strmatch(name, word)) return false;
  int dim = 0;
  const auto *const order = static_cast<int *>(pair->extract("ewald_order", dim));
  return !order || (*order & COULOMB_ORDER);
}

/* ----------------------------------------------------------------------
   pair_match() returns the n-th match, or the only one for every n
------------------------------------------------------------------------- */

std::vector<CoulombCompanion> LAMMPS_NS::coulomb_companions(LAMMPS *lmp)
{
  std::vector<CoulombCompanion> found;
  for (const char *word : WORDS) {
    Pair *const first = lmp->force->pair_match(word, 0, 1);
    Pair *pair = first;
    for (int n = 2; pair; n++) {
      const auto same = [=](const CoulombCompanion &other) { return other.pair == pair; };
      if (std::none_of(found.begin(), found.end(), same)) {
        const std::string name = lmp->force->pair_match_ptr(pair);
        int dim = 0;
        const auto *const cutoff = static_cast<double *>(pair->extract("cut_coul", dim));
        found.push_back({pair, name, completes_kspace(pair, name), cutoff ? *cutoff : 0.0});
      }
      pair = lmp->force->pair_match(word, 0, n);
      if (pair == first) pair = nullptr;
    }
  }
  return found;
}

/* ---------------------------------------------------------------------- */

bool CoulombCompanion::covers(int itype, int jtype) const
{
  if (!pair->list) return pair->setflag[itype][jtype] || pair->setflag[jtype][itype];
  return !pair->list->ijskip || !pair->list->ijskip[itype][jtype];
}
