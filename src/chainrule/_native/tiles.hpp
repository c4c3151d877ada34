// Products on tiles of bfloat16: packing, which rounds, and the multiplication; layout and
// contract: kernels.hpp. With CHAINRULE_AMX the processor multiplies; without, plain loops do the
// same additions in the same order, for tests on other machines.
//
// Of each 32 of the depth the even and the odd numbers form a chain of fused multiply-adds each,
// from zero; both chains are added, then that to the sum so far. Nothing depends on where in a tile
// an element lies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels.hpp"
#include "products.hpp"
#if CHAINRULE_AMX
#include <sys/syscall.h>
#include <unistd.h>
#else
#include "elementwise.hpp"
#endif

namespace chainrule::CHAINRULE_ISA {

static_assert(panel_width<float> == tile_depth, "a panel of columns is a packed panel's width");

using Floats = Simd<float>;
using Words = Floats::U;
inline constexpr int lanes = Floats::width, tile_words = tile_step / 2;

// Lane i: even[i] in its lower half, odd[i] in its upper half, both rounded.
CHAINRULE_INLINE Words paired(Floats::V even, Floats::V odd) {
#if CHAINRULE_AMX
    typedef std::uint16_t Halves __attribute__((vector_size(64)));
    const auto halves = (Halves)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    constexpr Halves order = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                              8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (Words)_mm512_permutexvar_epi16((__m512i)order, (__m512i)halves);
#else
    const auto upper = Floats::set1i(static_cast<Floats::Int>(0xffff0000));
    const auto low = (Words)Floats::bits(bfloat16<float>(even));
    const auto high = (Words)(Floats::bits(bfloat16<float>(odd)) & upper);
    return low >> 16 | high;
#endif
}

// The 32 numbers of low and high in their order, rounded: two in each lane.
CHAINRULE_INLINE Words in_order(Floats::V low, Floats::V high) {
#if CHAINRULE_AMX
    return (Words)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
#else
    return paired(__builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
                                          26, 28, 30),
                  __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25,
                                          27, 29, 31));
#endif
}

// The first `n` lanes of a vector, and zero for the others.
CHAINRULE_INLINE Floats::V first_lanes(Floats::V v, int n) {
    constexpr Floats::I number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return Floats::real(Floats::bits(v) & (number < Floats::set1i(n)));
}

// A tile from 16 vectors of words given by f(i): as they are, or turned.
template <class F>
CHAINRULE_INLINE void put_tile(bool turned, std::uint32_t* to, F f) {
    alignas(vector_bytes) float rows[tile_words];
    float* const place = turned ? rows : reinterpret_cast<float*>(to);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) Floats::store(place + i * lanes, (Floats::V)f(i));
    if (turned) transpose_square(rows, lanes, reinterpret_cast<float*>(to), lanes);
}

static void pack_rows(const float* from, std::size_t panel, int rows, int depth, bool left,
                      std::uint32_t* to) {
    for (int k = 0; k < depth; k += tile_depth, from += panel)
        for (int first = 0; first < tile_side; first += lanes, to += tile_words) {
            const float* row = from + first * tile_depth;
            const int given = rows - first, wanted = depth - k;
            if (given >= lanes && wanted >= tile_depth)
                put_tile(!left, to, [&](int i) CHAINRULE_INLINED {
                    return in_order(Floats::load(row + i * tile_depth),
                                    Floats::load(row + i * tile_depth + lanes));
                });
            else
                put_tile(!left, to, [&](int i) {
                    if (i >= given) return Words{};
                    return in_order(
                        first_lanes(Floats::load(row + i * tile_depth), wanted),
                        first_lanes(Floats::load(row + i * tile_depth + lanes), wanted - lanes));
                });
        }
}

static void pack_columns(const float* from, int depth, bool left, std::uint32_t* to) {
    for (int k = 0; k < depth; k += tile_depth)
        for (int first = 0; first < tile_side; first += lanes, to += tile_words) {
            const float* column = from + static_cast<std::size_t>(k) * tile_side + first;
            const int given = depth - k;
            if (given >= tile_depth)
                put_tile(left, to, [&](int i) CHAINRULE_INLINED {
                    return paired(Floats::load(column + 2 * i * tile_side),
                                  Floats::load(column + (2 * i + 1) * tile_side));
                });
            else
                put_tile(left, to, [&](int i) {
                    const auto at = [&](int row) {
                        return row < given ? Floats::load(column + row * tile_side)
                                           : Floats::zero();
                    };
                    return paired(at(2 * i), at(2 * i + 1));
                });
        }
}

#if CHAINRULE_AMX

// The system lends the registers of tiles to a process that asks; children of a fork have the leave
// too.
static bool permitted() {
    constexpr long ask = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    static const bool given = syscall(SYS_arch_prctl, ask, tile_data) == 0;
    return given;
}

// All eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileShapes {
    std::uint8_t palette = 1, start = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

static void begin() {
    static constexpr TileShapes shapes;
    _tile_loadconfig(&shapes);
}

static void end() { _tile_release(); }

// Sums 0 and 1 are those of the upper rows, 2 and 3 of the lower ones; 4 and 5 are tiles of the
// left factor, 6 and 7 of the right one.
template <bool lower, bool wide>
static void multiply_tiles(const std::uint32_t* left, const std::uint32_t* right, int steps,
                           bool continues, float* out) {
    constexpr long row = 4 * lanes, out_row = 4 * tile_side;
    float* const below = out + lanes * tile_side;
    // The intrinsics do not say that they read memory.
    asm volatile("" ::: "memory");
    if (continues) {
        _tile_loadd(0, out, out_row);
        if constexpr (wide) _tile_loadd(1, out + lanes, out_row);
        if constexpr (lower) _tile_loadd(2, below, out_row);
        if constexpr (lower && wide) _tile_loadd(3, below + lanes, out_row);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int step = 0; step < steps; ++step, left += tile_step, right += tile_step) {
        _tile_loadd(4, left, row);
        _tile_loadd(6, right, row);
        _tile_dpbf16ps(0, 4, 6);
        if constexpr (wide) {
            _tile_loadd(7, right + tile_words, row);
            _tile_dpbf16ps(1, 4, 7);
        }
        if constexpr (lower) {
            _tile_loadd(5, left + tile_words, row);
            _tile_dpbf16ps(2, 5, 6);
            if constexpr (wide) _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, out, out_row);
    if constexpr (wide) _tile_stored(1, out + lanes, out_row);
    if constexpr (lower) _tile_stored(2, below, out_row);
    if constexpr (lower && wide) _tile_stored(3, below + lanes, out_row);
    asm volatile("" ::: "memory");
}

#else

static bool permitted() { return true; }
static void begin() {}
static void end() {}

static float half_of(std::uint32_t word, int which) {
    const std::uint32_t bits = which ? word & 0xffff0000 : word << 16;
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

template <bool lower, bool wide>
static void multiply_tiles(const std::uint32_t* left, const std::uint32_t* right, int steps,
                           bool continues, float* out) {
    for (int i = 0; i < (lower ? tile_side : lanes); ++i)
        for (int j = 0; j < (wide ? tile_side : lanes); ++j) {
            const std::uint32_t* a = left + i / lanes * tile_words + i % lanes * lanes;
            const std::uint32_t* b = right + j / lanes * tile_words + j % lanes;
            float sum = continues ? out[i * tile_side + j] : 0;
            for (int step = 0; step < steps; ++step, a += tile_step, b += tile_step) {
                float chains[2] = {};
                for (int k = 0; k < lanes; ++k)
                    for (int which = 0; which < 2; ++which)
                        chains[which] = __builtin_fmaf(half_of(a[k], which),
                                                       half_of(b[k * lanes], which), chains[which]);
                sum += chains[0] + chains[1];
            }
            out[i * tile_side + j] = sum;
        }
}

#endif

static void multiply(const std::uint32_t* left, const std::uint32_t* right, int steps, int rows,
                     int vectors, bool continues, float* out) {
    const auto tiles =
        rows > lanes ? (vectors > 1 ? multiply_tiles<true, true> : multiply_tiles<true, false>)
                     : (vectors > 1 ? multiply_tiles<false, true> : multiply_tiles<false, false>);
    if (rows == tile_side || rows == lanes) return tiles(left, right, steps, continues, out);
    // Tiles are whole: what follows the block is another's.
    alignas(vector_bytes) float whole[tile_side * tile_side] = {};
    const std::size_t size = static_cast<std::size_t>(rows) * tile_side * sizeof(float);
    if (continues) std::memcpy(whole, out, size);
    tiles(left, right, steps, continues, whole);
    std::memcpy(out, whole, size);
}

extern const Bfloat16Tiles tiles = {
    .permitted = permitted,
    .begin = begin,
    .end = end,
    .pack_rows = pack_rows,
    .pack_columns = pack_columns,
    .multiply = multiply,
};

}  // namespace chainrule::CHAINRULE_ISA
