// The tables of one instruction set. A file isa_NAME.cpp defines CHAINRULE_ISA and CHAINRULE_VECTOR
// and includes this; it is compiled for that instruction set alone. Nothing here may use an inline
// function of the standard library: the linker keeps one copy of each, and it might be the one of a
// newer machine.
#pragma once
#include "blocks.hpp"
#include "elementwise.hpp"
#include "kernels.hpp"
#include "normals.hpp"
#include "products.hpp"
#include "rows.hpp"
#include "sparse.hpp"

namespace chainrule::CHAINRULE_ISA {

#define CHAINRULE_TEXT_OF(name) #name
#define CHAINRULE_TEXT(name) CHAINRULE_TEXT_OF(name)

template <class T>
constexpr Kernels<T> table = {
    .isa = CHAINRULE_TEXT(CHAINRULE_ISA),
    .vector_width = Simd<T>::width,
    .panel_width = panel_width<T>,
    .tile_rows = tile_rows,
    .elementwise = elementwise<T>,
    .nn = nn<T>,
    .tn = tn<T>,
    .most_vectors = most_vectors,
    .nonzeros_of_rows = nonzeros_of_rows<T>,
    .nonzeros_of_columns = nonzeros_of_columns<T>,
    .nn_nonzeros = nn_nonzeros<T>,
    .tn_nonzeros = tn_nonzeros<T>,
    .all_finite = all_finite<T>,
    .transpose = transpose<T>,
    .softmax = softmax<T>,
    .log_softmax = log_softmax<T>,
    .row_sum = row_sum<T>,
    .row_sum_of_squares = row_sum_of_squares<T>,
    .row_max = row_max<T>,
    .row_argmax = row_argmax<T>,
    .sparse_cross_entropy = sparse_cross_entropy<T>,
    .column_sum = column_sum<T>,
    .total = total<T>,
    .philox = philox,
    .normals = normals,
    .mask = mask<T>,
};

extern const Kernels<float> float_table = table<float>;
extern const Kernels<double> double_table = table<double>;

}  // namespace chainrule::CHAINRULE_ISA
