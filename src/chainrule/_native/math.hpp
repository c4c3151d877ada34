// Elementary functions of vectors, from our own polynomials, so that no bit depends on a C library.
//
// Every polynomial is a minimax fit (Remez exchange in 200-bit arithmetic) whose coefficients were
// then rounded; beside each stands the largest error it adds to the result, relative to it. Errors
// are tested to stay below 3 units in the last place. Results too small for a normal number may be
// flushed to zero, and where the processor flushes, a few next to the smallest one are less exact.
// Arguments that are NaN give NaN.
#pragma once
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T>
using Vector = typename Simd<T>::V;

template <class T>
struct Format;

template <>
struct Format<float> {
    static constexpr int mantissa = 23;
    static constexpr std::int32_t bias = 127;
    static constexpr float min_normal = 0x1p-126f, tiny = 0x1p-13f;  // tiny² vanishes beside 1
    static constexpr float round =
        0x1.8p23f;  // x + round: x to the nearest integer, in the low bits
    static constexpr float exp_max = 89, exp_min = -104, expm1_min = -20;
    static constexpr float log2_e = 0x1.715476p+0f;
    // ln 2 in two parts; the first times any exponent is exact.
    static constexpr float ln2 = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    static constexpr float sqrt_half = 0x1.6a09e6p-1f;
    // (eʳ − 1 − r) / r² for |r| ≤ ½ ln 2; 2⁻²⁶.
    static constexpr float exp[] = {0x1p-1f, 0x1.5554bp-3f, 0x1.555486p-5f, 0x1.12281ap-7f,
                                    0x1.6d9932p-10f};
    // (log((1 + s) / (1 − s)) / s − 2) / s² in powers of s², |s| ≤ 0.1716; 2⁻³⁰.
    static constexpr float log[] = {0x1.55557ap-1f, 0x1.995eaap-2f, 0x1.31e4b6p-2f};
};

template <>
struct Format<double> {
    static constexpr int mantissa = 52;
    static constexpr std::int64_t bias = 1023;
    static constexpr double min_normal = 0x1p-1022, tiny = 0x1p-28;
    static constexpr double round = 0x1.8p52;
    static constexpr double exp_max = 710, exp_min = -746, expm1_min = -40;
    static constexpr double log2_e = 0x1.71547652b82fep+0;
    static constexpr double ln2 = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    static constexpr double sqrt_half = 0x1.6a09e667f3bcdp-1;
    // 2⁻⁵⁵.
    static constexpr double exp[] = {
        0x1.0000000000005p-1,  0x1.555555555555cp-3,  0x1.55555555520dep-5,  0x1.111111110e733p-7,
        0x1.6c16c17f3d61ep-10, 0x1.a01a01b5b6e7fp-13, 0x1.a019a67303ba2p-16, 0x1.71ddea50fd46ap-19,
        0x1.28a2bf18d1136p-22, 0x1.af76344033582p-26};
    // 2⁻⁵⁸.
    static constexpr double log[] = {
        0x1.5555555555593p-1, 0x1.999999997fc76p-2, 0x1.24924942044e5p-2, 0x1.c71c51f8b8facp-3,
        0x1.74664287c023fp-3, 0x1.39a1581d560f8p-3, 0x1.2f0976c4661e6p-3};
};

// c₀ + c₁ x + c₂ x² + …
template <class T, int n>
CHAINRULE_INLINE Vector<T> polynomial(Vector<T> x, const T (&c)[n]) {
    Vector<T> sum = Simd<T>::set1(c[n - 1]);
#pragma GCC unroll 32
    for (int k = n - 2; k >= 0; --k) sum = Simd<T>::fma(sum, x, Simd<T>::set1(c[k]));
    return sum;
}

// a b − p, exact, for p = a b rounded.
template <class T>
CHAINRULE_INLINE Vector<T> product_error(Vector<T> a, Vector<T> b, Vector<T> p) {
    if constexpr (Simd<T>::has_fma) {
        return Simd<T>::fma(a, b, -p);
    } else {  // Dekker, 1971
        constexpr T splitter = (typename Simd<T>::Int{1} << (Format<T>::mantissa / 2 + 1)) + 1;
        const auto ca = splitter * a, cb = splitter * b;
        const auto ah = ca - (ca - a), bh = cb - (cb - b);
        const auto al = a - ah, bl = b - bh;
        return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    }
}

// 2ⁿ from n + Format::round, for n of a normal number.
template <class T>
CHAINRULE_INLINE Vector<T> power_of_two(Vector<T> n_rounded) {
    using S = Simd<T>;
    using U = typename S::U;
    const U bits = ((U)n_rounded << Format<T>::mantissa) + (U)S::set1(1);
    return (Vector<T>)bits;
}

// f(x) for floats computed in double precision, rounded once.
template <class F>
CHAINRULE_INLINE Vector<float> in_double(Vector<float> x, Vector<float> y, F f) {
    typedef float Half __attribute__((vector_size(CHAINRULE_VECTOR / 2), may_alias));
    Half xs[2], ys[2];
    std::memcpy(xs, &x, sizeof x);
    std::memcpy(ys, &y, sizeof y);
    for (int h = 0; h < 2; ++h)
        xs[h] = __builtin_convertvector(f(__builtin_convertvector(xs[h], Vector<double>),
                                          __builtin_convertvector(ys[h], Vector<double>)),
                                        Half);
    std::memcpy(&x, xs, sizeof x);
    return x;
}

// e^(x + low), low ≪ x: x = n ln 2 + r; 2ⁿ in two halves, since n may be beyond any normal number.
template <class T>
CHAINRULE_INLINE Vector<T> exp(Vector<T> x, Vector<T> low = Vector<T>{}) {
    using S = Simd<T>;
    using F = Format<T>;
    const auto round = S::set1(F::round);
    x = S::at_least(S::at_most(x, S::set1(F::exp_max)), S::set1(F::exp_min));
    const auto n = S::fma(x, S::set1(F::log2_e), round) - round;
    auto r = S::fma(n, S::set1(-F::ln2), x);
    r += S::fma(n, S::set1(-F::ln2_low), low);
    const auto p = S::fma(r * r, polynomial(r, F::exp), r);
    const auto half = S::fma(n, S::set1(T(0.5)), round);
    const auto rest = (n - (half - round)) + round;
    return (S::set1(1) + p) * power_of_two<T>(half) * power_of_two<T>(rest);
}

// eˣ − 1 = 2ⁿ (eʳ − 1) + (2ⁿ − 1), with what was rounded off r added to the small terms.
template <class T>
CHAINRULE_INLINE Vector<T> expm1(Vector<T> x) {
    using S = Simd<T>;
    using F = Format<T>;
    const auto round = S::set1(F::round);
    const auto y = S::at_least(S::at_most(x, S::set1(F::exp_max)), S::set1(F::expm1_min));
    const auto n_rounded = S::fma(y, S::set1(F::log2_e), round);
    const auto n = n_rounded - round;
    const auto high = S::fma(n, S::set1(-F::ln2), y);
    const auto low = n * F::ln2_low;
    const auto r = high - low;
    const auto p = r + S::fma(r * r, polynomial(r, F::exp), (high - r) - low);
    const auto half =
        power_of_two<T>(n_rounded - 1);  // 2ⁿ⁻¹: 2ⁿ may overflow where the result does not
    const auto result = 2 * S::fma(half, p, half - T(0.5));
    return S::select(S::abs(x) < S::set1(F::tiny * F::tiny), x, result);
}

// x = 2ᵉ (1 + f) with √½ ≤ 1 + f < √2, for finite x > 0.
template <class T>
struct Scaled {
    Vector<T> exponent, fraction;
};

template <class T>
CHAINRULE_INLINE Scaled<T> scaled(Vector<T> x) {
    using S = Simd<T>;
    using F = Format<T>;
    using U = typename S::U;
    constexpr T unit = static_cast<T>(typename S::Int{1} << F::mantissa);
    const auto denormal = x < S::set1(F::min_normal);
    x = S::select(denormal, x * (2 * unit), x);
    const U root = (U)S::set1(F::sqrt_half), one = (U)S::set1(1);
    const U shifted = (U)x - root;
    // The biased exponent, made a number by writing it below 2ᵐ.
    const U biased = (shifted + one) >> F::mantissa;
    auto exponent = (Vector<T>)(biased | (U)S::set1(unit)) - (unit + T(F::bias));
    exponent -= S::select(denormal, S::set1(T(F::mantissa + 1)), S::zero());
    const U below = (U)S::set1i((typename S::Int{1} << F::mantissa) - 1);
    return {exponent, (Vector<T>)((shifted & below) + root) - 1};
}

// e ln 2 + log(1 + f) + low, with s = f / (2 + f): log(1 + f) = f − f²/2 + s (f²/2 + s² R(s²)).
template <class T>
CHAINRULE_INLINE Vector<T> log_of_parts(Vector<T> e, Vector<T> f, Vector<T> low) {
    using S = Simd<T>;
    using F = Format<T>;
    const auto s = f / (2 + f);
    const auto z = s * s;
    const auto half = T(0.5) * f * f;
    const auto small =
        S::fma(s, S::fma(z, polynomial(z, F::log), half), S::fma(e, S::set1(F::ln2_low), low));
    return S::fma(e, S::set1(F::ln2), f - (half - small));
}

template <class T>
CHAINRULE_INLINE Vector<T> infinity() {
    return Simd<T>::set1(__builtin_huge_val());
}

template <class T>
CHAINRULE_INLINE Vector<T> not_a_number() {
    return Simd<T>::set1(__builtin_nanf(""));
}

// The logarithm at the ends of its domain, where `distance` is 0, below or infinite.
template <class T>
CHAINRULE_INLINE Vector<T> log_ends(Vector<T> distance, Vector<T> inside) {
    using S = Simd<T>;
    const auto outside = S::select(distance == 0, -infinity<T>(), not_a_number<T>());
    inside = S::select(distance == infinity<T>(), distance, inside);
    return S::select(distance > 0, inside, outside);
}

template <class T>
CHAINRULE_INLINE Vector<T> log(Vector<T> x) {
    const auto parts = scaled<T>(x);
    return log_ends<T>(x, log_of_parts<T>(parts.exponent, parts.fraction, Vector<T>{}));
}

// log(1 + x): log u + c / u, with u = 1 + x rounded and c what was rounded off.
template <class T>
CHAINRULE_INLINE Vector<T> log1p(Vector<T> x) {
    using S = Simd<T>;
    const auto u = 1 + x;
    const auto back = u - x;
    const auto c = (x - (u - back)) + (1 - back);
    const auto parts = scaled<T>(u);
    const auto near = parts.exponent == 0;
    const auto inside = log_of_parts<T>(parts.exponent, S::select(near, x, parts.fraction),
                                        S::select(near, S::zero(), c / u));
    const auto result = log_ends<T>(u, inside);
    return S::select(S::abs(x) < S::set1(Format<T>::tiny * Format<T>::tiny), x, result);
}

template <class T>
CHAINRULE_INLINE Vector<T> sigmoid(Vector<T> x) {
    return 1 / (1 + exp<T>(-x));
}

// log(1 + eˣ)
template <class T>
CHAINRULE_INLINE Vector<T> softplus(Vector<T> x) {
    using S = Simd<T>;
    return S::at_least(x, S::zero()) + log1p<T>(exp<T>(-S::abs(x)));
}

// 2ˣ with a relative error of about 2⁻²⁴, for x whose result is a normal number.
CHAINRULE_INLINE Vector<float> short_exp2(Vector<float> x) {
    using S = Simd<float>;
    // 2⁻²⁶ for |f| ≤ ½.
    static constexpr float c[] = {0x1p+0f,        0x1.62e43p-1f,   0x1.ebfbdap-3f, 0x1.c6aed4p-5f,
                                  0x1.3b2dbcp-7f, 0x1.5f4598p-10f, 0x1.41d32p-13f};
    const auto round = S::set1(Format<float>::round);
    const auto n_rounded = x + round;
    return polynomial(x - (n_rounded - round), c) * power_of_two<float>(n_rounded);
}

// x + x³ N(x²) or 1 − 2 / (e²ˣ + 1), which is 1 in single precision from 9.02.
CHAINRULE_INLINE Vector<float> tanh(Vector<float> x) {
    using S = Simd<float>;
    // 2⁻²⁷ for |x| ≤ 0.55.
    static constexpr float near[] = {-0x1.55554cp-2f, 0x1.110d3ap-3f, -0x1.b92ba8p-5f,
                                     0x1.5955fp-6f, -0x1.9bb6dap-8f};
    const auto a = S::abs(x), z = x * x;
    const auto inner = S::fma(a * z, polynomial(z, near), a);
    const auto e = short_exp2(S::at_most(a, S::set1(9.02f)) * (2 * Format<float>::log2_e));
    const auto outer = 1 - 2 / (e + 1);
    return S::copy_sign(S::select(a < 0.55f, inner, outer), x);
}

// t / (t + 2) with t = e²ˣ − 1
CHAINRULE_INLINE Vector<double> tanh(Vector<double> x) {
    using S = Simd<double>;
    const auto t = expm1<double>(2 * S::at_most(S::abs(x), S::set1(20)));
    return S::copy_sign(t / (t + 2), x);
}

// x + x N(x²) or 1 − 2^F(x), which is 1 in single precision from 3.93.
CHAINRULE_INLINE Vector<float> erf(Vector<float> x) {
    using S = Simd<float>;
    // 2⁻²⁵ for |x| ≤ 0.9.
    static constexpr float near[] = {0x1.06eba6p-3f,  -0x1.8127p-2f,  0x1.ce1ecp-4f,
                                     -0x1.b6cb94p-6f, 0x1.48bdbep-8f, -0x1.4065b6p-11f};
    // log₂(1 − erf x) for 0.9 ≤ x ≤ 3.93; 2⁻²⁸.
    static constexpr float far[] = {-0x1.0c4faep-12f, -0x1.a0830ap+0f, -0x1.d691dep-1f,
                                    -0x1.33652cp-3f,  0x1.07499ap-5f,  -0x1.20e96ep-8f,
                                    0x1.2a4e5p-12f};
    const auto a = S::abs(x);
    const auto inner = S::fma(a, polynomial(a * a, near), a);
    const auto outer = 1 - short_exp2(polynomial(S::at_most(a, S::set1(3.93f)), far));
    return S::copy_sign(S::select(a < 0.9f, inner, outer), x);
}

CHAINRULE_INLINE Vector<double> erf(Vector<double> x) {
    using S = Simd<double>;
    // erf x / x − 1 in powers of x², |x| ≤ 1; 2⁻⁵⁵.
    static constexpr double near[] = {
        0x1.06eba8214db69p-3,   -0x1.812746b0379e6p-2,  0x1.ce2f21a042b34p-4,
        -0x1.b82ce31284f28p-6,  0x1.565bcd0dbd6a0p-8,   -0x1.c02db3db41f63p-11,
        0x1.f9a321e3d5185p-14,  -0x1.f4d1e42313c4ap-17, 0x1.b9df2f72d01b3p-20,
        -0x1.5f1f39008e642p-23, 0x1.f7b9454031879p-27,  -0x1.38ab0aa58f781p-30,
        0x1.062451ba856a7p-34};
    // exp(x²) (1 − erf x) in powers of u = (5.2 − 2.2 x) / (x + 2), 1 ≤ x ≤ 6; 2⁻⁵⁵.
    static constexpr double far[] = {
        0x1.c57cd9cd3f3a9p-3,   0x1.4b8edae15a040p-3,   0x1.3be3609c853c1p-5,
        0x1.6e44c727635fap-8,   0x1.9d6e4a465a0c1p-13,  -0x1.52ddf802e62c2p-14,
        -0x1.ec9d233129f34p-18, 0x1.09b13b2b7b3fdp-19,  0x1.5f1cac8487ca8p-23,
        -0x1.2ce0d7b713d6ap-24, -0x1.437748c64a3afp-31, 0x1.68c5c78f2b327p-29,
        -0x1.27badae76f986p-32, -0x1.485b00f86fa66p-34, 0x1.884f8cf1c2741p-36,
        0x1.08af2fe35647ep-41,  -0x1.13591ff269fc3p-40};
    const auto a = S::abs(x);
    const auto inner = S::fma(x, polynomial(x * x, near), x);
    const auto b = S::at_least(S::at_most(a, S::set1(6)), S::set1(1));
    const auto u = S::fma(b, S::set1(-2.2), S::set1(5.2)) / (b + 2);
    const auto outer = 1 - exp<double>(-b * b) * polynomial(u, far);
    return S::select(a < 1, inner, S::copy_sign(outer, x));
}

// The fraction of x · 2/π that remains beside the nearest integer, as high + low, and that integer
// modulo 4, for finite |x| ≥ 2²⁰ (Payne & Hanek, 1983): only the bits of 2/π that matter are
// multiplied.
struct Turn {
    double high, low;
    std::int64_t quarter;
};

static inline Turn quarter_turns(double x) {
    static constexpr std::uint64_t two_over_pi[] = {0,
                                                    0xa2f9836e4e441529,
                                                    0xfc2757d1f534ddc0,
                                                    0xdb6295993c439041,
                                                    0xfe5163abdebbc561,
                                                    0xb7246e3a424dd2e0,
                                                    0x06492eea09d1921c,
                                                    0xfe1deb1cb129a73e,
                                                    0xe88235f52ebb4484,
                                                    0xe99c7026b45f7e41,
                                                    0x3991d639835339f4,
                                                    0x9c845f8bbdf9283b,
                                                    0x1ff897ffde05980f,
                                                    0xef2f118b5a0a6d1f,
                                                    0x6d367ecf27cb09b7,
                                                    0x4f463f669e5fea2d,
                                                    0x7527bac7ebe5f17b,
                                                    0x3d0739f78a5292ea,
                                                    0x6bfb5fb11f8d5d08,
                                                    0x56033046fc7b6bab,
                                                    0xf0cfbc209af4361d};
    using Wide = unsigned __int128;
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof x);
    const int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1075;
    const std::uint64_t whole = (bits & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1} << 52;
    // 192 bits of 2/π from the one whose product with |x| is worth 2; all before count whole turns.
    const int first = exponent - 2 + 64;
    const std::uint64_t* words = two_over_pi + first / 64;
    const int shift = first % 64;
    std::uint64_t g[3];
    for (int i = 0; i < 3; ++i)
        g[i] = shift ? words[i] << shift | words[i + 1] >> (64 - shift) : words[i];
    const Wide low = Wide{g[2]} * whole;
    const Wide middle = Wide{g[1]} * whole + static_cast<std::uint64_t>(low >> 64);
    const std::uint64_t top = g[0] * whole + static_cast<std::uint64_t>(middle >> 64);
    const std::uint64_t next = static_cast<std::uint64_t>(middle),
                        last = static_cast<std::uint64_t>(low);
    // Two bits of quarters, then a fraction, taken to lie in [−½, ½).
    std::uint64_t quarter = top >> 62;
    std::uint64_t high = top << 2 | next >> 62, rest = next << 2 | last >> 62;
    bool negative = high >> 63;
    if (negative) {
        ++quarter;
        high = ~high;
        rest = ~rest;
    }
    const double part[] = {
        static_cast<double>(static_cast<std::int64_t>(high >> 32)) * 0x1p-32,
        static_cast<double>(static_cast<std::int64_t>(high & 0xffffffff)) * 0x1p-64,
        static_cast<double>(static_cast<std::int64_t>(rest >> 32)) * 0x1p-96,
        static_cast<double>(static_cast<std::int64_t>(rest & 0xffffffff)) * 0x1p-128};
    double sum = part[3], error = 0;
    for (int i = 2; i >= 0; --i) {
        const double longer = part[i] + sum;
        error += (part[i] - longer) + sum;
        sum = longer;
    }
    if (x < 0) {
        negative = !negative;
        quarter = -quarter;
    }
    return {negative ? -sum : sum, negative ? -error : error, static_cast<std::int64_t>(quarter)};
}

// sin (x + quarters π/2), x = n π/2 + r, |r| ≤ π/4.
CHAINRULE_INLINE Vector<double> sine(Vector<double> x, std::int64_t quarters) {
    using S = Simd<double>;
    // π/2 in parts of 33, 33 and 53 bits.
    constexpr double part1 = 0x1.921fb54400000p+0, part2 = 0x1.0b4611a600000p-34;
    constexpr double part3 = 0x1.3198a2e037073p-69;
    constexpr double half_pi = 0x1.921fb54442d18p+0, half_pi_low = 0x1.1a62633145c07p-54;
    // (sin r − r) / r³ and (cos r − 1 + r²/2) / r⁴ in powers of r²; 2⁻⁵⁷ and 2⁻⁵⁹.
    static constexpr double odd[] = {-0x1.5555555555549p-3,  0x1.111111110f861p-7,
                                     -0x1.a01a019c0e46bp-13, 0x1.71de3574b62abp-19,
                                     -0x1.ae5e63ca95f92p-26, 0x1.5d924608f5007p-33};
    static constexpr double even[] = {0x1.555555555554cp-5,  -0x1.6c16c16c15162p-10,
                                      0x1.a01a019caef43p-16, -0x1.27e4f807d6b31p-22,
                                      0x1.1ee9ea6d21983p-29, -0x1.8fadd09fa33e4p-37};
    const auto round = S::set1(Format<double>::round);
    const auto n_rounded = S::fma(x, S::set1(0x1.45f306dc9c883p-1), round);
    const auto n = n_rounded - round;
    auto quarter = S::bits(n_rounded);
    const auto r1 = S::fma(n, S::set1(-part1), x);
    const auto r2 = n * -part2;
    const auto near = r1 + r2;
    const auto back = near - r1;
    const auto rounded_off = (r1 - (near - back)) + (r2 - back);
    auto low = S::fma(n, S::set1(-part3), rounded_off);
    auto r = near + low;
    low = (near - r) + low;

    const auto large = ~(S::abs(x) < S::set1(0x1p20));
    if (__builtin_expect(S::any(large), 0)) {
        auto high = S::zero(), rest = S::zero();
        auto turns = quarter;
        for (int i = 0; i < S::width; ++i) {
            const double lane = x[i];
            if (!large[i]) continue;
            if (lane - lane != 0) {  // infinite or NaN
                high[i] = lane - lane;
                continue;
            }
            const Turn turn = quarter_turns(lane);
            high[i] = turn.high;
            rest[i] = turn.low;
            turns[i] = turn.quarter;
        }
        const auto far = high * half_pi;
        const auto far_low = product_error<double>(high, S::set1(half_pi), far) +
                             S::fma(high, S::set1(half_pi_low), rest * half_pi);
        r = S::select(large, far, r);
        low = S::select(large, far_low, low);
        quarter = turns;
    }
    quarter += quarters;
    const auto z = r * r;
    const auto halved = 0.5 * z;
    const auto sine_of = r + S::fma(r * z, polynomial(z, odd), low * (1 - halved));
    const auto whole = 1 - halved;
    const auto cosine_of =
        whole + (((1 - whole) - halved) + S::fma(z * z, polynomial(z, even), -r * low));
    const auto swap = (quarter & 1) != 0;
    const auto flip = (quarter & 2) << 62;  // the sign bit
    return S::real(S::bits(S::select(swap, cosine_of, sine_of)) ^ flip);
}

CHAINRULE_INLINE Vector<double> sin(Vector<double> x) {
    return Simd<double>::select(x == 0, x, sine(x, 0));  // keeps −0
}
CHAINRULE_INLINE Vector<double> cos(Vector<double> x) { return sine(x, 1); }
CHAINRULE_INLINE Vector<float> sin(Vector<float> x) {
    return in_double(x, x,
                     [](Vector<double> v, Vector<double>) CHAINRULE_INLINED { return sin(v); });
}
CHAINRULE_INLINE Vector<float> cos(Vector<float> x) {
    return in_double(x, x,
                     [](Vector<double> v, Vector<double>) CHAINRULE_INLINED { return cos(v); });
}

// aᵇ for finite a > 0: e^(b log a), log a in two parts, good to 2⁻⁶⁵ of itself.
CHAINRULE_INLINE Vector<double> positive_power(Vector<double> a, Vector<double> b) {
    using S = Simd<double>;
    constexpr double two_thirds = 0x1.5555555555555p-1, two_thirds_low = 0x1.5555555555555p-55;
    // What follows 2 + ⅔ s² in log((1 + s) / (1 − s)) / s, divided by s⁴, in powers of s²; 2⁻⁶⁶.
    static constexpr double tail[] = {
        0x1.9999999999997p-2, 0x1.2492492492e09p-2, 0x1.c71c71c5b699bp-3, 0x1.745d181c55c75p-3,
        0x1.3b1367c90317ep-3, 0x1.112009a646c81p-3, 0x1.de4bcbccb07e1p-4, 0x1.ea5a01534274fp-4};
    const auto [e, f] = scaled<double>(a);
    // s = f / (2 + f)
    const auto d = 2 + f, d_low = f - (d - 2);
    const auto s = f / d;
    const auto sd = s * d;
    const auto s_low = (((f - sd) - product_error<double>(s, d, sd)) - s * d_low) / d;
    // z = s²; w = ⅔ z
    const auto z = s * s;
    const auto z_low = product_error<double>(s, s, z) + 2 * s * s_low;
    const auto w = z * two_thirds;
    const auto w_low = product_error<double>(z, S::set1(two_thirds), w) +
                       S::fma(z, S::set1(two_thirds_low), z_low * two_thirds);
    // log(1 + f) = s (2 + w + z² tail)
    const auto more = z * z * polynomial(z, tail);
    const auto g = w + more, g_low = ((w - g) + more) + w_low;
    const auto factor = 2 + g, factor_low = ((2 - factor) + g) + g_low;
    const auto l = s * factor;
    const auto l_low = product_error<double>(s, factor, l) + S::fma(s, factor_low, s_low * factor);
    const auto whole = e * Format<double>::ln2;
    const auto log = whole + l;
    const auto log_low = ((whole - log) + l) + S::fma(e, S::set1(Format<double>::ln2_low), l_low);
    const auto p = b * log;
    const auto p_low = S::fma(b, log_low, product_error<double>(b, log, p));
    return exp<double>(p, S::select(S::abs(p) < 1000, p_low, S::zero()));
}

CHAINRULE_INLINE Vector<float> positive_power(Vector<float> a, Vector<float> b) {
    return in_double(a, b, [](Vector<double> x, Vector<double> y) CHAINRULE_INLINED {
        return exp<double>(y * log<double>(x));
    });
}

template <class T>
CHAINRULE_INLINE typename Simd<T>::I is_whole(Vector<T> x) {
    using S = Simd<T>;
    const auto a = S::abs(x);
    const auto unit = S::set1(static_cast<T>(typename S::Int{1} << Format<T>::mantissa));
    return (a >= unit) | ((a + unit) - unit == a);
}

// aᵇ as C's pow, NaN aside: 1 where b = 0 or a = 1; a < 0 needs a whole b.
template <class T>
CHAINRULE_INLINE Vector<T> power(Vector<T> a, Vector<T> b) {
    using S = Simd<T>;
    const auto base = S::abs(a), zero = S::zero(), inf = infinity<T>();
    auto result = positive_power(base, b);
    result = S::select(base == 1, S::set1(1), result);
    result = S::select(base == 0, S::select(b < 0, inf, zero), result);
    result = S::select(base == inf, S::select(b < 0, zero, inf), result);
    const auto whole = is_whole<T>(b), odd = whole & ~is_whole<T>(b * T(0.5));
    const auto result_signed =
        S::real(S::bits(result) ^ (odd & S::bits(a) & S::set1i(S::sign_bit)));
    const auto undefined = (a != a) | (b != b) | ((a < 0) & ~whole & (base != inf));
    result = S::select(undefined, not_a_number<T>(), result_signed);
    return S::select((b == 0) | (a == 1), S::set1(1), result);
}

}  // namespace chainrule::CHAINRULE_ISA
