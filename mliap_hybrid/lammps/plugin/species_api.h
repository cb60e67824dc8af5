/* -*- c++ -*- ----------------------------------------------------------
   What fix mliap/species and its Python side tell each other, as
   bridge_api.h does for the pair style; mirrored in ../species_api.py
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_SPECIES_API_H
#define MLIAP_HYBRID_SPECIES_API_H

#include <cstdint>

extern "C" {

// what the input asks for, and what Python makes of it

struct mliap_species {
  const char *folder;      // to write
  const char *elements;    // of the atom types, separated by blanks
  const char *unit_style;
  double form, break_apart;    // in length units of the run, beyond the sum of the radii
  double persistence;          // in time units of the run
  int32_t overwrite;           // 1: replace the files of an earlier run

  int32_t handle;    // Python's number for it, > 0
  double *radii;     // [ntypes], in length units of the run, -1 for NULL: written by Python
};

// one moment, gathered from all ranks

struct mliap_moment {
  int64_t ntimestep;
  double time;      // in time units of the run
  double volume;    // 0 where there is none
  int64_t natoms, npairs;
  const int32_t *tags;           // [natoms] in any order
  const int32_t *types;          // [natoms]
  const int32_t *pairs;          // [npairs][2] tags; pairs may be there twice
  const int8_t *is_close;        // [npairs] 1: close enough to make a bond
  double nmolecules, nkinds, nreactions;    // written by Python: now, now, and since the start
};
}

#endif
