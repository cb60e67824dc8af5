/* ----------------------------------------------------------------------
   Registers pair style mliap with a LAMMPS that loads plugins.
   The style compiled into LAMMPS stays reachable as mliap/builtin
------------------------------------------------------------------------- */

#include "kspace_handover.h"
#include "pair_mliap_unified.h"

#include "force.h"
#include "input.h"
#include "lammps.h"
#include "library.h"

#include <cstdio>
#include <cstring>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   LAMMPS' documented plugin interface, whose header the wheel leaves out
------------------------------------------------------------------------- */

struct PluginDescription {
  const char *version;
  const char *style;
  const char *name;
  const char *info;
  const char *author;
  Force::PairCreator creator;
  void *handle;
};
using Register = void (*)(PluginDescription *, void *);

static Force::PairCreator builtin_mliap = nullptr;

/* ----------------------------------------------------------------------
   only "unified" is ours.  LAMMPS creates a style before it tells its
   arguments, so look at the command that is being executed
------------------------------------------------------------------------- */

static Pair *create_mliap(LAMMPS *lmp)
{
  int nmliap = 0, nunified = 0;
  for (int i = 0; i + 1 < lmp->input->narg; i++)
    if (strcmp(lmp->input->arg[i], "mliap") == 0) {
      nmliap++;
      if (strcmp(lmp->input->arg[i + 1], "unified") == 0) nunified++;
    }
  if (builtin_mliap && nmliap > 0 && nunified == 0) return builtin_mliap(lmp);
  return new PairMLIAPUnified(lmp);
}

/* ---------------------------------------------------------------------- */

static void register_pair(LAMMPS *lmp, void *handle, Register reg, const char *name,
                          const char *info, Force::PairCreator creator)
{
  PluginDescription plugin = {lmp->version, "pair", name, info, "mliap_hybrid", creator, handle};
  auto &pair_map = *lmp->force->pair_map;
  pair_map.erase(name);    // otherwise LAMMPS warns that a style is replaced
  reg(&plugin, lmp);
  pair_map[name] = creator;    // LAMMPS skips this if an earlier instance has registered the style
}

/* ----------------------------------------------------------------------
   called by LAMMPS.  The layout of its C++ objects is known for one version
   only: compare that before any of them is touched
------------------------------------------------------------------------- */

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *ptr, void *handle,
                                                                         void *regfunc)
{
  if (lammps_version(ptr) != MLIAP_HYBRID_LAMMPS_VERSION) {
    const char *consequence =
        lammps_has_style(ptr, "pair", "mliap")
        ? "Pair style mliap is that of this LAMMPS itself: see mliap-hybrid lammps-input --connect."
        : "Pair style mliap is not available: reinstall mliap_hybrid to build the plugin again.";
    if (lammps_extract_setting(ptr, "world_rank") == 0)
      fprintf(stderr,
              "WARNING: the plugin of mliap_hybrid was built for LAMMPS %d, this is LAMMPS %d. %s\n",
              MLIAP_HYBRID_LAMMPS_VERSION, lammps_version(ptr), consequence);
    return;
  }

  auto *lmp = static_cast<LAMMPS *>(ptr);
  auto reg = reinterpret_cast<Register>(regfunc);
  const auto &pair_map = *lmp->force->pair_map;
  const auto found = pair_map.find("mliap");
  if (found != pair_map.end() && found->second != &create_mliap) builtin_mliap = found->second;

  KSpaceHandover::watch_kspace_styles(lmp);
  register_pair(lmp, handle, reg, "mliap", "models in Python (unified)", &create_mliap);
  if (builtin_mliap)
    register_pair(lmp, handle, reg, "mliap/builtin", "mliap of LAMMPS itself", builtin_mliap);
}
