/* -*- c++ -*- ----------------------------------------------------------
   Pair interaction of smeared charges that the sum over wave vectors
   leaves over:

     K(r) = [erfc(g r) - erfc(b r)] / r = [erf(b r) - erf(g r)] / r

   g: splitting parameter of KSpace; b = 1 / (sqrt(2) smearing).  K has no
   singularity: it is an entire function of s = r^2, so one table of
   polynomials in s serves all distances, and K' = dK/ds comes with it
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_COULOMB_KERNEL_H
#define MLIAP_HYBRID_COULOMB_KERNEL_H

#include <vector>

namespace LAMMPS_NS {

class CoulombKernel {
 public:
  CoulombKernel() : g_ewald(-1.0), smearing(0.0), cutoff(0.0), inverse_width(0.0), nbins(0) {}

  // does nothing if the table is the one that is wanted

  void tabulate(double g_ewald, double smearing, double cutoff);

  // K and dK/ds at s = r^2 up to the cutoff, to 1e-10 of K(0)

  void evaluate(double s, double &value, double &slope) const
  {
    const double position = s * inverse_width;
    int bin = static_cast<int>(position);
    if (bin >= nbins) bin = nbins - 1;
    const double t = position - bin;
    const double *const c = &coefficients[6 * bin];
    value = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))));
    slope = inverse_width *
        (c[1] + t * (2.0 * c[2] + t * (3.0 * c[3] + t * (4.0 * c[4] + t * 5.0 * c[5]))));
  }

 private:
  double g_ewald, smearing, cutoff;    // of the table
  double inverse_width;                // of a bin, in s
  int nbins;
  std::vector<double> coefficients;    // [nbins][6], in powers of the place t in the bin
};
}    // namespace LAMMPS_NS

#endif
