#include "make_plan.h"

#include <algorithm>
#include <stdexcept>

namespace mliap {

namespace {

// The widest vector has this many numbers; rows that vectors run over are padded to it.
template <class T>
constexpr int kPadding = 64 / int(sizeof(T));

int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

void require(bool holds, const char *what)
{
  if (!holds) throw std::invalid_argument(what);
}

}  // namespace

template <class T>
const T *OwnedPlan<T>::keep(const double *values, int64_t n)
{
  AlignedArray<T> copy(n);
  for (int64_t k = 0; k < n; k++) copy[k] = T(values[k]);
  arrays_.push_back(std::move(copy));
  return arrays_.back().data();
}

template <class T>
OwnedPlan<T>::OwnedPlan(const mliap_features_settings &settings, const mliap_network_settings *network_settings,
                        int n_networks)
{
  FeaturePlan<T> &plan = features;
  require(settings.n_elements <= 128, "too many elements");
  require(settings.n_elements > 0 && settings.n_probes > 0 && settings.n_intervals > 0, "empty settings");
  require(settings.n_orders > 0 && settings.n_orders <= kPlanMaxOrder + 1, "number of orders out of range");
  plan.n_elements = settings.n_elements;
  plan.n_orders = settings.n_orders;
  plan.n_probes = settings.n_probes;
  plan.cutoff = settings.cutoff;
  plan.n_intervals = settings.n_intervals;
  plan.spacing = T(settings.cutoff / settings.n_intervals);
  plan.inverse_spacing = T(settings.n_intervals / settings.cutoff);
  int start = 0;
  for (int o = 0; o < plan.n_orders; o++) {
    const int n = settings.orders[o];
    require(n >= 0 && n <= kPlanMaxOrder && (o == 0 || n > settings.orders[o - 1]), "orders out of range");
    plan.orders[o] = plan.max_order = n;
    plan.moment_start[o] = start;
    start += (2 * n + 1) * plan.n_probes;
  }
  plan.n_slots = settings.moments && settings.by_element ? plan.n_elements : 1;
  plan.slot_size = round_up(start, kPadding<T>);
  plan.n_moments = settings.moments ? plan.n_slots * plan.slot_size : start;
  plan.n_moments_padded = plan.n_slots * plan.slot_size;
  lay_out_table(settings);
  if (settings.moments)
    lay_out_moments();
  else
    lay_out_invariants(settings);
  for (int k = 0; k < n_networks; k++) lay_out_network(network_settings[k]);
}

template <class T>
void OwnedPlan<T>::lay_out_table(const mliap_features_settings &settings)
{
  FeaturePlan<T> &plan = features;
  plan.n_radial = plan.n_orders * plan.n_probes;
  plan.n_radial_in_chunks = (plan.n_radial + kRadialChunk<T> / 2 - 1) / kRadialChunk<T> * kRadialChunk<T>;
  const int n_in_quads = round_up(std::max(0, plan.n_radial - plan.n_radial_in_chunks), kRadialQuad);
  plan.n_radial_padded = plan.n_radial_in_chunks + n_in_quads;
  const int64_t intervals = plan.n_intervals, row = 4 * plan.n_radial_padded;
  const double h = plan.cutoff / plan.n_intervals;
  require(plan.n_elements * (intervals + 1) * row < INT32_MAX, "the radial table is too large");
  AlignedArray<T> table(plan.n_elements * (intervals + 1) * row);
  for (int e = 0; e < plan.n_elements; e++)
    for (int64_t k = 0; k < intervals; k++) {  // the row behind the last interval stays zero
      const double *left = settings.table + ((e * (intervals + 1) + k) * 2) * plan.n_radial;
      const double *left_slope = left + plan.n_radial, *right = left_slope + plan.n_radial;
      const double *right_slope = right + plan.n_radial;
      T *out = table.data() + (e * (intervals + 1) + k) * row;
      for (int c = 0; c < plan.n_radial; c++) {  // Hermite's cubic in powers of r - r_knot
        const int side_by_side = c < plan.n_radial_in_chunks ? kRadialChunk<T> : kRadialQuad;
        const int first = c / side_by_side * side_by_side;
        T *of_function = out + 4 * first + c - first;
        const double rise = right[c] - left[c];
        of_function[0] = T(left[c]);
        of_function[side_by_side] = T(left_slope[c] / h);
        of_function[2 * side_by_side] = T((3.0 * rise - 2.0 * left_slope[c] - right_slope[c]) / (h * h));
        of_function[3 * side_by_side] = T((left_slope[c] + right_slope[c] - 2.0 * rise) / (h * h * h));
      }
    }
  arrays_.push_back(std::move(table));
  plan.table = arrays_.back().data();
  plan.own = keep(settings.own, int64_t(plan.n_elements) * plan.n_probes);
}

template <class T>
void OwnedPlan<T>::lay_out_moments()
{
  FeaturePlan<T> &plan = features;
  for (int o = 0; o < plan.n_orders; o++) {
    const int n_components = 2 * plan.orders[o] + 1;
    for (int m = 0; m < n_components; m++)
      for (int e = 0; e < plan.n_slots; e++)
        for (int probe = 0; probe < plan.n_probes; probe++)
          moment_of_feature_.push_back(e * plan.slot_size + plan.moment_start[o] + probe * n_components + m);
  }
  plan.moment_of_feature = moment_of_feature_.data();
  plan.n_features = int(moment_of_feature_.size());
  plan.n_features_padded = round_up(plan.n_features, kPadding<T>);
}

template <class T>
void OwnedPlan<T>::lay_out_invariants(const mliap_features_settings &settings)
{
  FeaturePlan<T> &plan = features;
  const auto moment = [&](int o, int probe) {
    require(o >= 0 && o < plan.n_orders && probe >= 0 && probe < plan.n_probes, "a product is out of range");
    return plan.moment_start[o] + probe * (2 * plan.orders[o] + 1);
  };
  for (int f = 0; f < settings.n_products; f++) {
    const int32_t *p = settings.products + 3 * f;
    const int b = p[2] < 0 ? -1 : moment(p[0], p[2]);
    products_.push_back({moment(p[0], p[1]), b, 2 * plan.orders[p[0]] + 1});
  }
  int term = 0, triple = 0;
  for (int q = 0; q < settings.n_couplings; q++) {
    Coupling coupling{triple, triple, term, term};
    for (; coupling.last_term < term + settings.coupling_terms[q]; coupling.last_term++) {
      const int32_t *m = settings.term_components + 3 * coupling.last_term;
      terms_.push_back({m[0], m[1], m[2], T(settings.term_values[coupling.last_term])});
    }
    const int32_t *o = settings.coupling_orders + 3 * q;
    for (; triple < settings.n_triples && settings.triples[4 * triple] == q; triple++) {
      const int32_t *p = settings.triples + 4 * triple;
      triples_.push_back({moment(o[0], p[1]), moment(o[1], p[2]), moment(o[2], p[3])});
    }
    coupling.last_triple = triple;
    term = coupling.last_term;
    couplings_.push_back(coupling);
  }
  require(triple == settings.n_triples, "the triples are not sorted by coupling");
  plan.n_couplings = settings.n_couplings;
  plan.couplings = couplings_.data();
  plan.n_products = settings.n_products;
  plan.n_triples = settings.n_triples;
  plan.n_features = plan.n_products + plan.n_triples;
  plan.n_features_padded = round_up(plan.n_features, kPadding<T>);
  plan.products = products_.data();
  plan.triples = triples_.data();
  plan.terms = terms_.data();
  plan.product_scales = keep(settings.product_scales, plan.n_products);
  plan.triple_scales = keep(settings.triple_scales, plan.n_triples);
}

template <class T>
void OwnedPlan<T>::lay_out_network(const mliap_network_settings &settings)
{
  require(settings.n_layers > 0 && settings.n_layers <= kMaxLayers, "number of layers out of range");
  NetworkPlan<T> network{};
  network.n_inputs = features.n_features;
  if (settings.body_order) lay_out_contraction(settings, network);
  require(settings.sizes[0] == network.n_inputs && settings.sizes[settings.n_layers] == 1, "sizes do not fit");
  const double *weights = settings.weights, *biases = settings.biases;
  network.n_layers = settings.n_layers;
  for (int l = 0; l < settings.n_layers; l++) {
    const int n_in = settings.sizes[l], n_out = settings.sizes[l + 1];
    LayerPlan<T> &layer = network.layers[l];
    layer = lay_out_map(weights, biases, n_in, n_out);
    AlignedArray<T> backward(int64_t(layer.n_inputs) * layer.n_outputs);
    const bool is_output = l == settings.n_layers - 1;
    for (int o = 0; o < n_out; o++)
      for (int i = 0; i < n_in; i++) {
        // The output layer is a single row, which is all that its way back needs.
        const int64_t back = (int64_t(i / kNetworkBlock) * layer.n_outputs + o) * kNetworkBlock + i % kNetworkBlock;
        backward[is_output ? i : back] = T(weights[int64_t(o) * n_in + i]);
      }
    weights += int64_t(n_in) * n_out;
    biases += n_out;
    layer.transposed = backward.data();
    arrays_.push_back(std::move(backward));
  }
  if (settings.distance_map) lay_out_distance(settings, network);
  network.shift = keep(settings.shift, network.n_inputs);
  network.linear = keep(settings.linear, int64_t(features.n_elements) * network.n_inputs);
  offsets_.emplace_back(settings.offset, settings.offset + features.n_elements);
  network.offset = offsets_.back().data();
  networks.push_back(network);
}

template <class T>
LayerPlan<T> OwnedPlan<T>::lay_out_map(const double *weights, const double *biases, int n_in, int n_out)
{
  LayerPlan<T> layer{};
  layer.n_inputs = round_up(n_in, kNetworkBlock);
  layer.n_outputs = round_up(n_out, kNetworkBlock);
  AlignedArray<T> forward(int64_t(layer.n_inputs) * layer.n_outputs), bias(layer.n_outputs);
  for (int o = 0; o < n_out; o++) {
    bias[o] = T(biases[o]);
    for (int i = 0; i < n_in; i++)
      forward[(int64_t(o / kNetworkBlock) * layer.n_inputs + i) * kNetworkBlock + o % kNetworkBlock] =
          T(weights[int64_t(o) * n_in + i]);
  }
  layer.weights = forward.data();
  layer.biases = bias.data();
  arrays_.push_back(std::move(forward));
  arrays_.push_back(std::move(bias));
  return layer;
}

template <class T>
void OwnedPlan<T>::lay_out_distance(const mliap_network_settings &settings, NetworkPlan<T> &network)
{
  require(settings.n_layers > 1, "a distance of a network without hidden layers");
  const int n = settings.sizes[settings.n_layers - 1];
  std::vector<LayerPlan<T>> of_elements;
  for (int64_t e = 0; e < features.n_elements; e++)
    of_elements.push_back(lay_out_map(settings.distance_map + e * n * n, settings.distance_shift + e * n, n, n));
  distances_.push_back(std::move(of_elements));
  network.distance = distances_.back().data();
}

template <class T>
void OwnedPlan<T>::lay_out_contraction(const mliap_network_settings &settings, NetworkPlan<T> &network)
{
  constexpr int n_orders = 4;
  require(settings.body_order >= 3 && settings.body_order <= 5 && settings.n_channels > 0, "no such contraction");
  require(features.moment_of_feature && features.n_orders == n_orders && features.max_order == n_orders - 1,
          "a contraction of features that are no moments");
  Contraction<T> &c = network.contraction;
  c.body_order = settings.body_order;
  c.n_channels = settings.n_channels;
  c.n_elements = features.n_elements;
  c.n_inputs = features.n_slots * features.n_probes;
  c.channel_row = round_up(c.n_channels, kPadding<T>);
  c.input_row = round_up(c.n_inputs, kPadding<T>);
  network.n_inputs = c.n_channels * channel_invariants_size(c.body_order);
  const int64_t n_matrices = int64_t(c.n_elements) * n_orders;
  AlignedArray<T> mixing(n_matrices * c.n_inputs * c.channel_row), transposed(n_matrices * c.n_channels * c.input_row);
  AlignedArray<T> own(int64_t(c.n_elements) * c.channel_row);
  for (int64_t q = 0; q < n_matrices; q++)
    for (int k = 0; k < c.n_channels; k++)
      for (int i = 0; i < c.n_inputs; i++) {
        const T w = T(settings.mixing[(q * c.n_channels + k) * c.n_inputs + i]);
        mixing[(q * c.n_inputs + i) * c.channel_row + k] = w;
        transposed[(q * c.n_channels + k) * c.input_row + i] = w;
      }
  for (int e = 0; e < c.n_elements; e++)
    for (int k = 0; k < c.n_channels; k++) own[e * c.channel_row + k] = T(settings.own[e * c.n_channels + k]);
  c.mixing = mixing.data();
  c.transposed = transposed.data();
  c.own = own.data();
  arrays_.push_back(std::move(mixing));
  arrays_.push_back(std::move(transposed));
  arrays_.push_back(std::move(own));
}

template struct OwnedPlan<float>;
template struct OwnedPlan<double>;

}  // namespace mliap
