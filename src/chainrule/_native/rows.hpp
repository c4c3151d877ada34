// Reductions and softmax of the rows of a matrix, and sums of columns; layout and contract:
// kernels.hpp. A row is computed by itself, in an order that its length alone decides.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "math.hpp"
#include "products.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// The mask of the first n lanes.
template <class T, int... i>
CHAINRULE_INLINE typename Simd<T>::I first_lanes(int n, std::integer_sequence<int, i...>) {
    using S = Simd<T>;
    return typename S::I{i...} < S::set1i(static_cast<typename S::Int>(n));
}

// f(offset, mask) for each vector of a row; the mask holds the lanes that are not padding.
template <class T, class F>
CHAINRULE_INLINE void each_vector(int rows, int columns, F f) {
    using S = Simd<T>;
    constexpr int width = S::width, panel = panel_width<T>;
    const typename S::I all = S::set1i(-1);
    std::size_t offset = 0;
    for (; columns >= panel; columns -= panel, offset += static_cast<std::size_t>(rows) * panel) {
        f(offset, all);
        f(offset + width, all);
    }
    if (columns >= width) {
        f(offset, all);
        columns -= width;
        offset += width;
    }
    if (columns > 0) f(offset, first_lanes<T>(columns, std::make_integer_sequence<int, width>{}));
}

// f of all lanes, in every lane: each lane with the one `distance` away, in log₂ width rounds.
template <class T, int distance, class F, int... i>
CHAINRULE_INLINE typename Simd<T>::V fold_lanes(typename Simd<T>::V v, F f,
                                                std::integer_sequence<int, i...> lanes) {
    if constexpr (distance > 0) {
        const typename Simd<T>::V partner = __builtin_shufflevector(v, v, (i ^ distance)...);
        return fold_lanes<T, distance / 2>(f(v, partner), f, lanes);
    } else {
        return v;
    }
}

template <class T, class F>
CHAINRULE_INLINE typename Simd<T>::V fold_lanes(typename Simd<T>::V v, F f) {
    constexpr int width = Simd<T>::width;
    return fold_lanes<T, width / 2>(v, f, std::make_integer_sequence<int, width>{});
}

template <class T>
CHAINRULE_INLINE typename Simd<T>::V sum_of_lanes(typename Simd<T>::V v) {
    using V = typename Simd<T>::V;
    return fold_lanes<T>(v, [](V a, V b) { return a + b; });
}

// The largest element of a row, in every lane; NaN where there is one.
template <class T>
CHAINRULE_INLINE typename Simd<T>::V largest(const T* row, int rows, int columns) {
    using S = Simd<T>;
    using V = typename S::V;
    constexpr T infinity = std::numeric_limits<T>::infinity();
    const V lowest = S::set1(-infinity);
    V most = lowest;
    each_vector<T>(rows, columns, [&](std::size_t offset, typename S::I mask) {
        most = S::max(most, S::select(mask, S::load(row + offset), lowest));
    });
    return fold_lanes<T>(most, [](V a, V b) { return S::max(a, b); });
}

// Σⱼ exp(xⱼ − most) of a row, in every lane; keep(offset, exponentials) sees each vector, zero in
// the padding.
template <class T, class Keep>
CHAINRULE_INLINE typename Simd<T>::V sum_exp(const T* row, int rows, int columns,
                                             typename Simd<T>::V most, Keep keep) {
    using S = Simd<T>;
    typename S::V sum = S::zero();
    each_vector<T>(rows, columns, [&](std::size_t offset, typename S::I mask) {
        const typename S::V below = S::select(mask, S::load(row + offset) - most, S::zero());
        const typename S::V e = S::select(mask, exp<T>(below), S::zero());
        keep(offset, e);
        sum += e;
    });
    return sum_of_lanes<T>(sum);
}

// Up to a vector's width of rows of a matrix of one panel, turned: the rows are lanes, and there is
// a vector for each column, so that nothing has to be folded.
template <class T>
struct Lanes {
    using S = Simd<T>;
    using V = typename S::V;
    static constexpr int width = S::width, panel = panel_width<T>;
    T columns[panel * width] = {};
    int count;  // of columns

    CHAINRULE_INLINED Lanes(const T* row, int rows, int column_count) : count(column_count) {
        T last_rows[width * panel] = {};
        if (rows < width) std::memcpy(last_rows, row, rows * panel * sizeof(T));
        for (int half = 0; half * width < count; ++half)
            transpose_square((rows < width ? last_rows : row) + half * width, panel,
                             columns + half * width * width, width);
    }
    CHAINRULE_INLINED V column(int j) const { return S::load(columns + j * width); }
    CHAINRULE_INLINED V largest() const {
        V most = column(0);
        for (int j = 1; j < count; ++j) most = S::max(most, column(j));
        return most;
    }
    // Makes exponentials of the distances from the largest, and gives their sums.
    CHAINRULE_INLINED V exponentials(V most) {
        V sum = S::zero();
        for (int j = 0; j < count; ++j) {
            const V e = exp<T>(column(j) - most);
            S::store(columns + j * width, e);
            sum += e;
        }
        return sum;
    }
    // Each divided by its row's number, back in rows.
    CHAINRULE_INLINED void divided(V by, int rows, T* out) {
        for (int j = 0; j < count; ++j) S::store(columns + j * width, column(j) / by);
        for (int half = 0; half * width < count; ++half) {
            T turned[width * width];
            transpose_square(columns + half * width * width, width, turned, width);
            for (int i = 0; i < rows; ++i)
                S::store(out + i * panel + half * width, S::load(turned + i * width));
        }
    }
};

template <class T>
void softmax(const T* x, int rows, int columns, int first, int last, T* out) {
    using S = Simd<T>;
    using V = typename S::V;
    constexpr int width = S::width, panel = panel_width<T>;
    if (columns <= panel) {
        for (int r = first; r < last; r += width) {
            const int count = last - r < width ? last - r : width;
            const std::ptrdiff_t start = static_cast<std::ptrdiff_t>(r) * panel;
            Lanes<T> lanes(x + start, count, columns);
            lanes.divided(lanes.exponentials(lanes.largest()), count, out + start);
        }
        return;
    }
    for (int r = first; r < last; ++r) {
        const std::size_t start = static_cast<std::size_t>(r) * panel;
        T* target = out + start;
        const V most = largest(x + start, rows, columns);
        const V sum = sum_exp(x + start, rows, columns, most,
                              [=](std::size_t offset, V e) { S::store(target + offset, e); });
        each_vector<T>(rows, columns, [=](std::size_t offset, typename S::I) {
            S::store(target + offset, S::load(target + offset) / sum);
        });
    }
}

template <class T>
void log_softmax(const T* x, int rows, int columns, int first, int last, T* out) {
    using S = Simd<T>;
    using V = typename S::V;
    for (int r = first; r < last; ++r) {
        const std::size_t start = static_cast<std::size_t>(r) * panel_width<T>;
        const T* row = x + start;
        T* target = out + start;
        const V most = largest(row, rows, columns);
        const V log_sum = log<T>(sum_exp(row, rows, columns, most, [](std::size_t, V) {}));
        each_vector<T>(rows, columns, [=](std::size_t offset, typename S::I) {
            S::store(target + offset, S::load(row + offset) - most - log_sum);
        });
    }
}

// Sums over each row of what `add` makes of the sum so far and the next elements.
template <class T, class Add>
CHAINRULE_INLINE void sum_rows(const T* x, int rows, int columns, int first, int last,
                               T* column_out, Add add) {
    using S = Simd<T>;
    for (int r = first; r < last; ++r) {
        const T* row = x + static_cast<std::size_t>(r) * panel_width<T>;
        typename S::V sum = S::zero();
        each_vector<T>(rows, columns, [&](std::size_t offset, typename S::I mask) {
            sum = add(sum, S::select(mask, S::load(row + offset), S::zero()));
        });
        column_out[r] = sum_of_lanes<T>(sum)[0];
    }
}

template <class T>
void row_sum(const T* x, int rows, int columns, int first, int last, T* column_out) {
    using V = typename Simd<T>::V;
    sum_rows(x, rows, columns, first, last, column_out,
             [](V sum, V more) CHAINRULE_INLINED { return sum + more; });
}

template <class T>
void row_sum_of_squares(const T* x, int rows, int columns, int first, int last, T* column_out) {
    using V = typename Simd<T>::V;
    sum_rows(x, rows, columns, first, last, column_out,
             [](V sum, V more) CHAINRULE_INLINED { return Simd<T>::fma(more, more, sum); });
}

template <class T>
void row_max(const T* x, int rows, int columns, int first, int last, T* column_out) {
    for (int r = first; r < last; ++r)
        column_out[r] = largest(x + static_cast<std::size_t>(r) * panel_width<T>, rows, columns)[0];
}

// The first place of the largest element; of the first NaN where there is one, as NumPy has it.
template <class T>
void row_argmax(const T* x, int rows, int columns, int first, int last, std::int64_t* out) {
    constexpr int panel = panel_width<T>;
    for (int r = first; r < last; ++r) {
        const T* row = x + static_cast<std::size_t>(r) * panel;
        const T most = largest(row, rows, columns)[0];
        int place = 0;
        for (; place < columns - 1; ++place) {
            const T element =
                row[static_cast<std::size_t>(place / panel) * rows * panel + place % panel];
            if (element == most || element != element) break;
        }
        out[r] = place;
    }
}

// The losses of `count` ≤ width rows from `row` on, of a matrix of one panel.
template <class T>
CHAINRULE_INLINE void narrow_cross_entropy(const T* row, const std::int64_t* labels, int columns,
                                           int count, T* losses, T* error) {
    using S = Simd<T>;
    using V = typename S::V;
    constexpr int panel = panel_width<T>;
    Lanes<T> lanes(row, count, columns);
    T gaps[S::width] = {}, found[S::width];
    const V most = lanes.largest(), sum = lanes.exponentials(most);
    for (int i = 0; i < count; ++i) {
        const bool known = 0 <= labels[i] && labels[i] < columns;
        gaps[i] =
            known ? most[i] - row[i * panel + labels[i]] : std::numeric_limits<T>::quiet_NaN();
    }
    S::store(found, log<T>(sum) + S::load(gaps));
    std::memcpy(losses, found, count * sizeof(T));
    if (error == nullptr) return;
    lanes.divided(sum, count, error);
    for (int i = 0; i < count; ++i)
        if (0 <= labels[i] && labels[i] < columns) error[i * panel + labels[i]] -= 1;
}

// NaN where the label is not the number of a column. Logarithms are taken of whole vectors of rows.
template <class T>
void sparse_cross_entropy(const T* x, const std::int64_t* labels, int rows, int columns, int first,
                          int last, T* column_out, T* error) {
    using S = Simd<T>;
    using V = typename S::V;
    constexpr int width = S::width, panel = panel_width<T>;
    constexpr T unknown = std::numeric_limits<T>::quiet_NaN();
    for (int begin = first; begin < last; begin += width) {
        const int count = last - begin < width ? last - begin : width;
        if (columns <= panel) {
            const std::ptrdiff_t start = static_cast<std::ptrdiff_t>(begin) * panel;
            narrow_cross_entropy(x + start, labels + begin, columns, count, column_out + begin,
                                 error == nullptr ? nullptr : error + start);
            continue;
        }
        T sums[width] = {},
          gaps[width] = {};  // gap: how far the label's logit is below the largest
        for (int i = 0; i < count; ++i) {
            const std::size_t start = static_cast<std::size_t>(begin + i) * panel;
            const T* row = x + start;
            const V most = largest(row, rows, columns);
            const std::int64_t label = labels[begin + i];
            const bool known = 0 <= label && label < columns;
            const std::int64_t place =
                known ? (label / panel) * rows * panel + label % panel : std::int64_t{0};
            gaps[i] = known ? most[0] - row[place] : unknown;
            if (error == nullptr) {
                sums[i] = sum_exp(row, rows, columns, most, [](std::size_t, V) {})[0];
                continue;
            }
            T* target = error + start;
            const V sum = sum_exp(row, rows, columns, most,
                                  [=](std::size_t offset, V e) { S::store(target + offset, e); });
            sums[i] = sum[0];
            each_vector<T>(rows, columns, [=](std::size_t offset, typename S::I) {
                S::store(target + offset, S::load(target + offset) / sum);
            });
            if (known) target[place] -= 1;
        }
        T losses[width];
        S::store(losses, log<T>(S::load(sums)) + S::load(gaps));
        std::memcpy(column_out + begin, losses, count * sizeof(T));
    }
}

// Four sums of every fourth row each, so that additions need not wait for each other.
template <class T>
void column_sum(const T* x, int rows, int panel, T* out) {
    using S = Simd<T>;
    constexpr int width = S::width, chains = 4;
    const T* row = x + static_cast<std::size_t>(panel) * rows * panel_width<T>;
    typename S::V sums[chains][2] = {};
    int r = 0;
    for (; r + chains <= rows; r += chains)
#pragma GCC unroll 4
        for (int c = 0; c < chains; ++c, row += panel_width<T>)
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) sums[c][v] += S::load(row + v * width);
    for (; r < rows; ++r, row += panel_width<T>)
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) sums[0][v] += S::load(row + v * width);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v)
        S::store(out + v * width, (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v]));
}

template <class T>
double total(const T* x, std::size_t n) {
    constexpr int chains = 8;
    double sums[chains] = {};
    std::size_t i = 0;
    for (; i + chains <= n; i += chains)
#pragma GCC unroll 8
        for (int c = 0; c < chains; ++c) sums[c] += static_cast<double>(x[i + c]);
    for (; i < n; ++i) sums[0] += static_cast<double>(x[i]);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace chainrule::CHAINRULE_ISA
