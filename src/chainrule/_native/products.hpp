// Matrix products, one tile at a time in registers, and the transpose; layout and contract:
// kernels.hpp. Every element of a product is one chain of fused multiply-adds over ascending k, so
// that it does not depend on the tile it is computed in.
#pragma once
#include <cstddef>
#include <cstring>
#include <utility>

#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// A tile's sums, two vectors of the right matrix and an element of the left one fill the registers.
inline constexpr int tile_rows = CHAINRULE_VECTOR == 64 ? 12 : 6;

template <class T, int rows, int vectors>
struct Tile {
    typename Simd<T>::V sums[rows][vectors];
};

// sums(r, :) ← left[r stride] right(:) + sums(r, :)
template <class T, int rows, int vectors>
CHAINRULE_INLINE void add_products(Tile<T, rows, vectors>& tile, const T* left, int stride,
                                   const T* right) {
    using S = Simd<T>;
    typename S::V b[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) b[v] = S::load(right + v * S::width);
#pragma GCC unroll 24
    for (int r = 0; r < rows; ++r) {
        const typename S::V a = S::set1(left[r * stride]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) tile.sums[r][v] = S::fma(a, b[v], tile.sums[r][v]);
    }
}

// A sum is never −0, which a term of +0 would make +0: products that skip zeros have the same bits.
template <class T, int rows, int vectors>
CHAINRULE_INLINE void store_sums(const Tile<T, rows, vectors>& tile, T* out) {
    using S = Simd<T>;
#pragma GCC unroll 24
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            S::store(out + r * panel_width<T> + v * S::width, tile.sums[r][v] + S::zero());
}

template <class T, int rows, int vectors>
CHAINRULE_INLINE Tile<T, rows, vectors> first_sums(const T* out, bool continues) {
    using S = Simd<T>;
    Tile<T, rows, vectors> tile{};
    if (continues)
#pragma GCC unroll 24
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; ++v)
                tile.sums[r][v] = S::load(out + r * panel_width<T> + v * S::width);
    return tile;
}

template <class T, int rows, int vectors>
void nn_tile(const T* a, std::size_t a_panel, int k, const T* b, bool continues, T* out) {
    constexpr int width = panel_width<T>;
    auto tile = first_sums<T, rows, vectors>(out, continues);
    for (int begin = 0; begin < k; begin += width, a += a_panel) {
        const int count = k - begin < width ? k - begin : width;
        // The next panel may lie in another page, out of the hardware prefetcher's reach.
        if (begin + width < k)
#pragma GCC unroll 24
            for (int r = 0; r < rows; ++r) __builtin_prefetch(a + a_panel + r * width);
#pragma GCC unroll 1
        for (int j = 0; j < count; ++j, b += width) add_products(tile, a + j, width, b);
    }
    store_sums(tile, out);
}

template <class T, int rows, int vectors>
void tn_tile(const T* x, const T* d, int samples, bool continues, T* out) {
    constexpr int width = panel_width<T>;
    auto tile = first_sums<T, rows, vectors>(out, continues);
#pragma GCC unroll 1
    for (int s = 0; s < samples; ++s, x += width, d += width) add_products(tile, x, 1, d);
    store_sums(tile, out);
}

// The tiles of 1, 2, ... tile_rows rows, or twice as many of one vector: as many sums.
template <class T, int vectors,
          class Rows = std::make_integer_sequence<int, tile_rows * 2 / vectors>>
struct Tiles;

template <class T, int vectors, int... row>
struct Tiles<T, vectors, std::integer_sequence<int, row...>> {
    static constexpr decltype(&nn_tile<T, 1, 1>) nn[] = {nn_tile<T, row + 1, vectors>...};
    static constexpr decltype(&tn_tile<T, 1, 1>) tn[] = {tn_tile<T, row + 1, vectors>...};
};

template <class T>
void nn(const T* a, std::size_t a_panel, int k, const T* b, int rows, int vectors, bool continues,
        T* out) {
    const auto* tiles = vectors == 1 ? Tiles<T, 1>::nn : Tiles<T, 2>::nn;
    tiles[rows - 1](a, a_panel, k, b, continues, out);
}

template <class T>
void tn(const T* x, const T* d, int samples, int rows, int vectors, bool continues, T* out) {
    const auto* tiles = vectors == 1 ? Tiles<T, 1>::tn : Tiles<T, 2>::tn;
    tiles[rows - 1](x, d, samples, continues, out);
}

// Swaps the two blocks off the diagonal of each 2 distance × 2 distance block, for vectors a and b
// that are `distance` rows apart.
template <class T, int distance, int... i>
CHAINRULE_INLINE void swap_blocks(typename Simd<T>::V& a, typename Simd<T>::V& b,
                                  std::integer_sequence<int, i...>) {
    constexpr int width = Simd<T>::width;
    const typename Simd<T>::V upper = a, lower = b;
    a = __builtin_shufflevector(upper, lower, (i & distance ? width + i - distance : i)...);
    b = __builtin_shufflevector(upper, lower, (i & distance ? width + i : i + distance)...);
}

template <class T, int distance = Simd<T>::width / 2>
CHAINRULE_INLINE void swap_rounds(typename Simd<T>::V* rows) {
    constexpr int width = Simd<T>::width;
    if constexpr (distance > 0) {
#pragma GCC unroll 16
        for (int r = 0; r < width; ++r)
            if ((r & distance) == 0)
                swap_blocks<T, distance>(rows[r], rows[r + distance],
                                         std::make_integer_sequence<int, width>{});
        swap_rounds<T, distance / 2>(rows);
    }
}

// The transpose of a square of width × width in registers, in log₂ width rounds.
template <class T>
CHAINRULE_INLINE void transpose_square(const T* from, int from_stride, T* to, int to_stride) {
    using S = Simd<T>;
    typename S::V rows[S::width];
#pragma GCC unroll 16
    for (int i = 0; i < S::width; ++i) rows[i] = S::load(from + i * from_stride);
    swap_rounds<T>(rows);
#pragma GCC unroll 16
    for (int i = 0; i < S::width; ++i) S::store(to + i * to_stride, rows[i]);
}

template <class T>
void transpose(const T* from, int rows, int columns, int first, int last, T* to) {
    constexpr int width = Simd<T>::width, panel = panel_width<T>;
    const auto height = static_cast<std::size_t>(rows), depth = static_cast<std::size_t>(columns);
    const int end = columns < last * panel ? columns : last * panel;
    for (int column = first * panel; column < end; column += width) {
        const T* source = from + (column / panel) * height * panel + column % panel;
        const int wanted = end - column < width ? end - column : width;
        for (int row = 0; row < rows; row += width, source += width * panel) {
            T* target = to + ((row / panel) * depth + column) * panel + row % panel;
            const int given = rows - row < width ? rows - row : width;
            if (given == width && wanted == width) {
                transpose_square(source, panel, target, panel);
                continue;
            }
            T corner[width * width] = {}, turned[width * width];
            for (int i = 0; i < given; ++i)
                std::memcpy(corner + i * width, source + i * panel, width * sizeof(T));
            transpose_square(corner, width, turned, width);
            for (int i = 0; i < wanted; ++i)
                std::memcpy(target + i * panel, turned + i * width, width * sizeof(T));
        }
    }
}

}  // namespace chainrule::CHAINRULE_ISA
