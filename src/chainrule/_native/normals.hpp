// Normal numbers by Box and Muller, of the bits of chainrule/random.py: sums, products, quotients
// and square roots in its order, each rounded by itself.
#pragma once
#include <cstdint>

#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// c₀ + c₁ x + c₂ x² + …
template <int n, class V>
CHAINRULE_INLINE V unfused_polynomial(const double (&c)[n], V x) {
    V sum = c[n - 1] - V{};
    for (int k = n - 2; k >= 0; --k) sum = sum * x + c[k];
    return sum;
}

// The whole numbers 0 ≤ n < 2⁵² as real ones: a real number of this exponent has n in its last
// bits.
template <class I>
CHAINRULE_INLINE auto whole(I n) {
    using S = Simd<double>;
    return S::real(n | S::set1i(0x4330000000000000)) - 0x1p52;
}

// The 53 high bits as a number in [0, 1).
template <class I>
CHAINRULE_INLINE auto uniform(I longs) {
    const auto bits = reinterpret_cast<typename Simd<double>::U>(longs) >> 11;
    const auto high = whole(reinterpret_cast<I>(bits >> 32));
    return (high * 0x1p32 + whole(reinterpret_cast<I>(bits & 0xffffffff))) * 0x1p-53;
}

// ln x for x in (0, 1].
template <class V>
CHAINRULE_INLINE V unfused_log(V x) {
    using S = Simd<double>;
    static constexpr double c[] = {0.6666666666666735, 0.39999999999412894, 0.28571428742823307,
                                   0.2222219852475268, 0.18183567024972722, 0.15313977088477038,
                                   0.14796726977216607};
    constexpr double root_half = 0.7071067811865476;
    constexpr double ln2 = 0.6931471805598903, ln2_low = 5.497923018708371e-14;
    const auto bits = S::bits(x);
    const V fraction = S::real((bits & 0x000fffffffffffff) | S::set1i(std::int64_t{1022} << 52));
    const auto small = fraction < root_half;  // fraction is in [½, 1)
    const V e = whole(bits >> 52) - 1022 - S::select(small, S::set1(1), S::zero());
    const V f = S::select(small, 2 * fraction, fraction) - 1;
    const V s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    const V rest = s * (z * unfused_polynomial(c, z) + half) + e * ln2_low;
    return e * ln2 + (f - (half - rest));
}

// out (2 × pairs, and as many as fill a vector): two normal numbers for each two longs.
static void normals(const std::uint64_t* longs, int pairs, double* out) {
    static constexpr double sine_of[] = {1.5707963267948966,    -0.6459640975062443,
                                         0.07969262624603957,   -0.004681754132282415,
                                         0.0001604411502916307, -3.5986417543874945e-06,
                                         5.6337210053764296e-08};
    static constexpr double cosine_of[] = {-1.2337005501361697,    0.25366950790104736,
                                           -0.020863480763324355,  0.0009192602743150056,
                                           -2.52020374662165e-05,  4.7106282674575917e-07,
                                           -6.3232248772507335e-09};
    using S = Simd<double>;
    using I = S::I;
    using V = S::V;
    for (int pair = 0; pair < pairs; pair += S::width, longs += 2 * S::width) {
        I words[2];
        for (int i = 0; i < 2 * S::width; ++i)
            words[i % 2][i / 2] = static_cast<std::int64_t>(longs[i]);
        const V radius = S::sqrt(-2.0 * unfused_log(1.0 - uniform(words[0])));
        const V turns = 4.0 * uniform(words[1]);
        I quarter{};  // the nearest: its number of wholes is that of comparisons that hold
        for (int i = 1; i <= 4; ++i) quarter -= turns + 0.5 >= double(i);
        const V r = turns - whole(quarter), z = r * r;
        const V cosine = 1.0 + z * unfused_polynomial(cosine_of, z);
        const V sine = r * unfused_polynomial(sine_of, z);
        const I swapped = -(quarter & 1);
        const V c = S::select(swapped, sine, cosine), s = S::select(swapped, cosine, sine);
        const V turned[2] = {radius * S::real(S::bits(c) ^ ((quarter + 1) & 2) << 62),
                             radius * S::real(S::bits(s) ^ (quarter & 2) << 62)};
        for (int i = 0; i < 2 * S::width; ++i) *out++ = turned[i % 2][i / 2];
    }
}

}  // namespace chainrule::CHAINRULE_ISA
