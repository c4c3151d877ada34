// Products that skip the zeros of their left matrix: pixels of a margin, absent categories, units
// that a ReLU or dropout has silenced. Which numbers are zero is found on the way, as bits; layout
// and contract: kernels.hpp. A chain of fused multiply-adds without the terms that are zero ends at
// the same number, as long as the right matrix is finite.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// The sums of a row and an element of the left matrix fill AVX2's registers.
inline constexpr int most_vectors = 14;

// The first `count` lanes, at most 64.
CHAINRULE_INLINE std::uint64_t first_bits(int count) {
    return count < 64 ? (std::uint64_t{1} << count) - 1 : ~std::uint64_t{0};
}

template <class T>
std::int64_t nonzeros_of_rows(const T* a, std::size_t a_panel, int k, int rows,
                              std::uint64_t* bits) {
    using S = Simd<T>;
    constexpr int panel = panel_width<T>;
    const int panels = (k + panel - 1) / panel;
    std::int64_t count = 0;
    for (int i = 0; i < rows; ++i, a += panel) {
        std::uint64_t found = 0;
        for (int p = 0; p < panels; ++p)
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v)
                found |= S::lanes(S::load(a + p * a_panel + v * S::width) != S::zero())
                         << (p * panel + v * S::width);
        bits[i] = found & first_bits(k);
        count += __builtin_popcountll(bits[i]);
    }
    return count;
}

template <class T>
std::int64_t nonzeros_of_columns(const T* x, int samples, std::uint64_t* bits) {
    using S = Simd<T>;
    constexpr int panel = panel_width<T>, lane_bits = 8 * sizeof(T);
    std::int64_t count = 0;
    for (int first = 0; first < samples; first += lane_bits) {
        typename S::U found[2] = {};
        const int end = samples < first + lane_bits ? samples : first + lane_bits;
        for (int s = end; s-- > first;)  // so that the first one is the lowest bit
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) {
                const auto other = S::load(x + s * panel + v * S::width) != S::zero();
                found[v] = found[v] + found[v] - reinterpret_cast<typename S::U>(other);
            }
        for (int i = 0; i < panel; ++i) {
            const std::uint64_t more = found[i / S::width][i % S::width];
            bits[i] = first > 0 ? bits[i] | more << first : more;
            count += __builtin_popcountll(more);
        }
    }
    return count;
}

template <class T, int vectors, bool transposed>
void add_nonzeros(const T* a, std::size_t a_panel, const std::uint64_t* bits, const T* b,
                  std::size_t b_panel, int rows, bool continues, T* out, std::size_t out_panel) {
    using S = Simd<T>;
    constexpr int panel = panel_width<T>;
    for (int i = 0; i < rows; ++i, a += transposed ? 1 : panel, out += panel) {
        std::uint64_t left = bits[i];
        if (continues && left == 0) continue;
        typename S::V sums[vectors];
#pragma GCC unroll 14
        for (int v = 0; v < vectors; ++v)
            sums[v] = continues ? S::load(out + v / 2 * out_panel + v % 2 * S::width) : S::zero();
        while (left != 0) {
            const int k = __builtin_ctzll(left);
            left &= left - 1;
            const typename S::V x =
                S::set1(transposed ? a[k * panel] : a[k / panel * a_panel + k % panel]);
            const T* const row = b + k * panel;
#pragma GCC unroll 14
            for (int v = 0; v < vectors; ++v)
                sums[v] = S::fma(x, S::load(row + v / 2 * b_panel + v % 2 * S::width), sums[v]);
        }
#pragma GCC unroll 14
        for (int v = 0; v < vectors; ++v)
            S::store(out + v / 2 * out_panel + v % 2 * S::width, sums[v] + S::zero());
    }
}

template <class T, class Vectors = std::make_integer_sequence<int, most_vectors>>
struct NonzeroSums;

template <class T, int... vectors>
struct NonzeroSums<T, std::integer_sequence<int, vectors...>> {
    static constexpr decltype(&add_nonzeros<T, 1, false>) nn[] = {
        add_nonzeros<T, vectors + 1, false>...};
    static constexpr decltype(&add_nonzeros<T, 1, true>) tn[] = {
        add_nonzeros<T, vectors + 1, true>...};
};

template <class T>
void nn_nonzeros(const T* a, std::size_t a_panel, const std::uint64_t* bits, const T* b,
                 std::size_t b_panel, int rows, int vectors, bool continues, T* out,
                 std::size_t out_panel) {
    NonzeroSums<T>::nn[vectors - 1](a, a_panel, bits, b, b_panel, rows, continues, out, out_panel);
}

template <class T>
void tn_nonzeros(const T* x, const std::uint64_t* bits, const T* d, std::size_t d_panel, int rows,
                 int vectors, bool continues, T* out, std::size_t out_panel) {
    NonzeroSums<T>::tn[vectors - 1](x, 0, bits, d, d_panel, rows, continues, out, out_panel);
}

template <class T>
bool all_finite(const T* x, std::size_t x_panel, int rows, int columns) {
    using S = Simd<T>;
    constexpr int panel = panel_width<T>;
    for (; columns > 0; columns -= panel, x += x_panel) {
        typename S::V sums[2] = {};  // of zeros, or what is infinite or no number times zero
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v)
                sums[v] = S::fma(S::load(x + i * panel + v * S::width), S::zero(), sums[v]);
        const std::uint64_t broken = S::lanes(sums[0] != sums[0]) | S::lanes(sums[1] != sums[1])
                                                                        << S::width;
        if (broken & first_bits(columns < panel ? columns : panel)) return false;
    }
    return true;
}

}  // namespace chainrule::CHAINRULE_ISA
