#include "close_pairs.h"

#include <algorithm>
#include <array>
#include <cmath>

using namespace LAMMPS_NS;

namespace {

using Place = std::array<int, 3>;

/* ----------------------------------------------------------------------
   a grid over the atoms whose cells are at least as wide as any pair
------------------------------------------------------------------------- */

class Cells {
 public:
  Cells(int n, const double *const *x, const std::vector<double> &radius, double width) : width(width)
  {
    std::array<double, 3> high{};
    bool first = true;
    for (int i = 0; i < n; i++) {
      if (radius[i] < 0.0) continue;
      for (int d = 0; d < 3; d++) {
        low[d] = first ? x[i][d] : std::min(low[d], x[i][d]);
        high[d] = first ? x[i][d] : std::max(high[d], x[i][d]);
      }
      first = false;
    }

    // far apart atoms in much vacuum: fewer, wider cells

    double wanted = 1.0;
    for (int d = 0; d < 3; d++) wanted *= (high[d] - low[d]) / width + 1.0;
    this->width *= std::cbrt(std::max(1.0, wanted / (8.0 * n + 64.0)));
    for (int d = 0; d < 3; d++) size[d] = static_cast<int>((high[d] - low[d]) / this->width) + 1;

    first_of.assign(size[0] * size[1] * size[2], -1);
    next.assign(n, -1);
    for (int i = n - 1; i >= 0; i--) {
      if (radius[i] < 0.0) continue;
      int &head = first_of[cell(place(x[i]))];
      next[i] = head;
      head = i;
    }
  }

  Place place(const double *x) const
  {
    Place found;
    for (int d = 0; d < 3; d++)
      found[d] = std::min(size[d] - 1, std::max(0, static_cast<int>((x[d] - low[d]) / width)));
    return found;
  }

  // all atoms in the cells at and around a place

  template <class Function> void visit(const Place &at, Function function) const
  {
    Place from, to;
    for (int d = 0; d < 3; d++) {
      from[d] = std::max(0, at[d] - 1);
      to[d] = std::min(size[d] - 1, at[d] + 1);
    }
    for (int a = from[0]; a <= to[0]; a++)
      for (int b = from[1]; b <= to[1]; b++)
        for (int c = from[2]; c <= to[2]; c++)
          for (int j = first_of[cell({a, b, c})]; j >= 0; j = next[j]) function(j);
  }

 private:
  double width;
  std::array<double, 3> low{};
  Place size;
  std::vector<int> first_of;    // first atom of each cell, -1 if it is empty
  std::vector<int> next;        // next one in the cell of each atom

  int cell(const Place &at) const { return (at[0] * size[1] + at[1]) * size[2] + at[2]; }
};
}    // namespace

/* ---------------------------------------------------------------------- */

std::vector<ClosePair> LAMMPS_NS::close_pairs(int nowned, int n, const double *const *x,
                                              const std::vector<double> &radius, double margin)
{
  std::vector<ClosePair> pairs;
  if (nowned == 0) return pairs;
  const double largest = *std::max_element(radius.begin(), radius.begin() + n);
  if (largest < 0.0) return pairs;

  const Cells cells(n, x, radius, 2.0 * largest + margin);
  for (int i = 0; i < nowned; i++) {
    if (radius[i] < 0.0) continue;
    cells.visit(cells.place(x[i]), [&](int j) {
      if (j <= i) return;
      const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
      const double sum = radius[i] + radius[j];
      const double squared = dx * dx + dy * dy + dz * dz;
      if (squared < (sum + margin) * (sum + margin)) pairs.push_back({i, j, std::sqrt(squared) - sum});
    });
  }
  return pairs;
}
