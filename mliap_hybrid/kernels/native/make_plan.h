// From the caller's settings to a plan and the memory that it points to.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "kernels_api.h"
#include "plan.h"

namespace mliap {

// Memory aligned to a cache line, zero at first.
template <class T>
class AlignedArray {
 public:
  explicit AlignedArray(int64_t n)
  {
    const size_t bytes = (size_t(n) * sizeof(T) + 127) / 64 * 64;
    void *memory = std::aligned_alloc(64, bytes);
    if (!memory) throw std::bad_alloc();
    std::memset(memory, 0, bytes);
    data_.reset(static_cast<T *>(memory));
  }
  T *data() const { return data_.get(); }
  T &operator[](int64_t k) const { return data_.get()[k]; }

 private:
  struct Free {
    void operator()(T *p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
};

template <class T>
struct OwnedPlan {
  OwnedPlan(const mliap_features_settings &settings, const mliap_network_settings *networks, int n_networks);

  FeaturePlan<T> features{};
  std::vector<NetworkPlan<T>> networks;

 private:
  void lay_out_table(const mliap_features_settings &settings);
  void lay_out_moments();
  void lay_out_invariants(const mliap_features_settings &settings);
  void lay_out_network(const mliap_network_settings &settings);
  void lay_out_contraction(const mliap_network_settings &settings, NetworkPlan<T> &network);
  void lay_out_distance(const mliap_network_settings &settings, NetworkPlan<T> &network);
  LayerPlan<T> lay_out_map(const double *weights, const double *biases, int n_in, int n_out);
  const T *keep(const double *values, int64_t n);

  std::vector<AlignedArray<T>> arrays_;
  std::vector<int32_t> moment_of_feature_;
  std::vector<Product> products_;
  std::vector<Triple> triples_;
  std::vector<Coupling> couplings_;
  std::vector<TripleTerm<T>> terms_;
  std::vector<std::vector<double>> offsets_;
  std::vector<std::vector<LayerPlan<T>>> distances_;
};

}  // namespace mliap
