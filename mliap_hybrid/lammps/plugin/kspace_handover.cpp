#include "kspace_handover.h"

#include "force.h"
#include "kspace.h"
#include "lammps.h"

#include <cstring>
#include <map>

using namespace LAMMPS_NS;

static std::map<LAMMPS *, int> ntakers;

/* ----------------------------------------------------------------------
   not among them: pppm/cg leaves out small charges, so their potential is
   not known; solvers of packages whose own fix collects the forces later
------------------------------------------------------------------------- */

static const char *const STYLES[] = {"ewald", "pppm", "pppm/stagger"};
static const int NSTYLES = 3;
static Force::KSpaceCreator builtin[NSTYLES];

/* ---------------------------------------------------------------------- */

bool KSpaceHandover::supported(const char *kspace_style)
{
  for (const char *style : STYLES)
    if (strcmp(kspace_style, style) == 0) return true;
  return false;
}

/* ----------------------------------------------------------------------
   creators are plain functions, so each style needs one of its own
------------------------------------------------------------------------- */

template <int N> static KSpace *create(LAMMPS *lmp)
{
  KSpace *kspace = builtin[N](lmp);
  if (KSpaceHandover::takers(lmp)) kspace->compute_flag = 0;
  return kspace;
}

static const Force::KSpaceCreator creators[NSTYLES] = {&create<0>, &create<1>, &create<2>};

/* ---------------------------------------------------------------------- */

void KSpaceHandover::watch_kspace_styles(LAMMPS *lmp)
{
  auto &kspace_map = *lmp->force->kspace_map;
  for (int n = 0; n < NSTYLES; n++) {
    const auto found = kspace_map.find(STYLES[n]);
    if (found == kspace_map.end() || found->second == creators[n]) continue;
    builtin[n] = found->second;
    found->second = creators[n];
  }
}

/* ---------------------------------------------------------------------- */

void KSpaceHandover::take(LAMMPS *lmp)
{
  ntakers[lmp]++;
  if (lmp->force->kspace) lmp->force->kspace->compute_flag = 0;
}

/* ---------------------------------------------------------------------- */

void KSpaceHandover::give_back(LAMMPS *lmp)
{
  if (--ntakers[lmp] > 0) return;
  ntakers.erase(lmp);
  if (lmp->force->kspace) lmp->force->kspace->compute_flag = 1;
}

/* ---------------------------------------------------------------------- */

int KSpaceHandover::takers(LAMMPS *lmp)
{
  const auto found = ntakers.find(lmp);
  return (found == ntakers.end()) ? 0 : found->second;
}
