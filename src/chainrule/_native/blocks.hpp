// Random bits: Philox-4x32-10, many blocks at a time (philox.hpp has it one by one), and the masks
// made of them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "draw.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// Each lane has a word of one block in its low half; what is in the high half counts for nothing.
typedef std::uint64_t Longs __attribute__((vector_size(CHAINRULE_VECTOR), may_alias));

// The 64 bits of the product of two words.
template <class V>
CHAINRULE_INLINE V product(V a, V b) {
#if CHAINRULE_AVX512
    return (V)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
#elif CHAINRULE_AVX2
    return (V)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif CHAINRULE_SSE2
    return (V)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif CHAINRULE_NEON
    return (V)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
    return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

// longs (2 × blocks): words 0 and 1 of each block from `first` on, the low half first, then words 2
// and 3.
static void philox(const Draw& draw, std::uint32_t first, std::size_t blocks,
                   std::uint64_t* longs) {
    constexpr int lanes = CHAINRULE_VECTOR / 8, side = 2, group = lanes * side;
    Longs numbers{};
    for (int lane = 0; lane < lanes; ++lane) numbers[lane] = lane;
    for (std::size_t done = 0; done < blocks; done += group) {
        Longs c0[side], c1[side], c2[side], c3[side];
        for (int s = 0; s < side; ++s) {
            c0[s] = numbers + (first + done + s * lanes);
            c1[s] = Longs{} + draw.counter;
            c2[s] = Longs{} + (draw.counter >> 32);
            c3[s] = Longs{} + draw.stream;
        }
        Longs k0 = Longs{} + draw.seed, k1 = Longs{} + (draw.seed >> 32);
        for (int round = 0; round < 10; ++round) {
            for (int s = 0; s < side; ++s) {
                const Longs p0 = product(c0[s], Longs{} + 0xD2511F53);
                const Longs p1 = product(c2[s], Longs{} + 0xCD9E8D57);
                c0[s] = (p1 >> 32) ^ c1[s] ^ k0;
                c1[s] = p1;
                c2[s] = (p0 >> 32) ^ c3[s] ^ k1;
                c3[s] = p0;
            }
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        for (int s = 0; s < side; ++s) {
            const Longs low = (c0[s] & 0xffffffff) | c1[s] << 32;
            const Longs high = (c2[s] & 0xffffffff) | c3[s] << 32;
            for (int lane = 0; lane < lanes; ++lane) {
                const std::size_t block = done + s * lanes + lane;
                if (block >= blocks) return;
                longs[2 * block] = low[lane];
                longs[2 * block + 1] = high[lane];
            }
        }
    }
}

// out: a row of panels `stride` apart: `kept` where a half is at least `threshold`, else 0. As many
// halves are read as fill whole panels.
template <class T>
void mask(const std::uint16_t* halves, int columns, int threshold, T kept, T* out,
          std::size_t stride) {
    using S = Simd<T>;
    typedef std::uint16_t Halves __attribute__((vector_size(2 * S::width)));
    for (int column = 0; column < columns; column += panel_width<T>, out += stride)
        for (int i = 0; i < panel_width<T>; i += S::width) {
            Halves drawn;
            std::memcpy(&drawn, halves + column + i, sizeof drawn);
            const auto wide = __builtin_convertvector(drawn, typename S::I);
            S::store(out + i, S::select(wide >= threshold, S::set1(kept), S::zero()));
        }
}

}  // namespace chainrule::CHAINRULE_ISA
