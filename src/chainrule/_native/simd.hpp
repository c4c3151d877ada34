// Vectors of the instruction set this translation unit is compiled for: CHAINRULE_VECTOR bytes
// wide, inside the namespace CHAINRULE_ISA. Everything is exact or correctly rounded; a fused
// multiply-add is written out wherever one is meant, and the compiler makes none of its own
// (-ffp-contract=off). Without hardware for it (the portable set on x86-64) `fma` is a product and
// a sum, rounded twice.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef CHAINRULE_ISA
#error \
    "define CHAINRULE_ISA (a namespace) and CHAINRULE_VECTOR (bytes) before including a kernel header"
#endif
// Which intrinsics there are for vectors of this size; without, compilers make do with smaller
// ones.
#if CHAINRULE_VECTOR == 64 && defined(__AVX512F__)
#define CHAINRULE_AVX512 1
#elif CHAINRULE_VECTOR == 32 && defined(__FMA__)
#define CHAINRULE_AVX2 1
#elif CHAINRULE_VECTOR == 16 && defined(__aarch64__)
#define CHAINRULE_NEON 1
#elif CHAINRULE_VECTOR == 16 && defined(__x86_64__)
#define CHAINRULE_SSE2 1
#endif
#define CHAINRULE_INLINED __attribute__((always_inline))
#define CHAINRULE_INLINE static inline CHAINRULE_INLINED

namespace chainrule::CHAINRULE_ISA {

inline constexpr std::size_t vector_bytes = CHAINRULE_VECTOR;

template <class T>
struct Simd {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
    using Int = std::conditional_t<std::is_same_v<T, float>, std::int32_t, std::int64_t>;
    using UInt = std::make_unsigned_t<Int>;
    typedef T V __attribute__((vector_size(CHAINRULE_VECTOR), may_alias));
    typedef Int I __attribute__((vector_size(CHAINRULE_VECTOR), may_alias));  // also masks: 0 or -1
    typedef UInt U __attribute__((vector_size(CHAINRULE_VECTOR), may_alias));
    static constexpr int width = CHAINRULE_VECTOR / sizeof(T);

    CHAINRULE_INLINE V load(const T* p) {
        V v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    CHAINRULE_INLINE void store(T* p, V v) { std::memcpy(p, &v, sizeof v); }
    CHAINRULE_INLINE V set1(T x) { return x - V{}; }
    CHAINRULE_INLINE I set1i(Int x) { return x - I{}; }
    CHAINRULE_INLINE V zero() { return V{}; }
    CHAINRULE_INLINE I bits(V v) { return reinterpret_cast<I>(v); }
    CHAINRULE_INLINE V real(I i) { return reinterpret_cast<V>(i); }
    CHAINRULE_INLINE I convert(V v) { return __builtin_convertvector(v, I); }  // towards zero
    CHAINRULE_INLINE V convert(I i) { return __builtin_convertvector(i, V); }
    CHAINRULE_INLINE V select(I mask, V a, V b) {
        return real((mask & bits(a)) | (~mask & bits(b)));
    }
    // As NumPy's maximum and minimum: NaN where either is NaN.
    CHAINRULE_INLINE V max(V a, V b) { return select((a > b) | (a != a), a, b); }
    CHAINRULE_INLINE V min(V a, V b) { return select((a < b) | (a != a), a, b); }
    // As above for a bound that is no NaN; a NaN stays what it is. x86's own instructions say just
    // this, if `a` is the second operand.
    CHAINRULE_INLINE V at_least(V a, V bound) {
#if CHAINRULE_AVX512
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm512_maskz_max_ps(0xffff, (__m512)bound, (__m512)a);
        else
            return (V)_mm512_maskz_max_pd(0xff, (__m512d)bound, (__m512d)a);
#elif CHAINRULE_AVX2
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm256_max_ps((__m256)bound, (__m256)a);
        else
            return (V)_mm256_max_pd((__m256d)bound, (__m256d)a);
#elif CHAINRULE_SSE2
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm_max_ps((__m128)bound, (__m128)a);
        else
            return (V)_mm_max_pd((__m128d)bound, (__m128d)a);
#else
        return bound > a ? bound : a;
#endif
    }
    CHAINRULE_INLINE V at_most(V a, V bound) {
#if CHAINRULE_AVX512
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm512_maskz_min_ps(0xffff, (__m512)bound, (__m512)a);
        else
            return (V)_mm512_maskz_min_pd(0xff, (__m512d)bound, (__m512d)a);
#elif CHAINRULE_AVX2
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm256_min_ps((__m256)bound, (__m256)a);
        else
            return (V)_mm256_min_pd((__m256d)bound, (__m256d)a);
#elif CHAINRULE_SSE2
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm_min_ps((__m128)bound, (__m128)a);
        else
            return (V)_mm_min_pd((__m128d)bound, (__m128d)a);
#else
        return bound < a ? bound : a;
#endif
    }
    static constexpr Int sign_bit = static_cast<Int>(UInt{1} << (8 * sizeof(T) - 1));
    CHAINRULE_INLINE V abs(V a) { return real(bits(a) & set1i(~sign_bit)); }
    CHAINRULE_INLINE V copy_sign(V a, V sign) {
        return real(bits(abs(a)) | (bits(sign) & set1i(sign_bit)));
    }
    // A bit for each lane of a mask.
    CHAINRULE_INLINE std::uint64_t lanes(I mask) {
#if CHAINRULE_AVX512
        if constexpr (std::is_same_v<T, float>)
            return _mm512_movepi32_mask((__m512i)mask);
        else
            return _mm512_movepi64_mask((__m512i)mask);
#elif CHAINRULE_AVX2
        if constexpr (std::is_same_v<T, float>)
            return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
        else
            return static_cast<unsigned>(_mm256_movemask_pd((__m256d)mask));
#elif CHAINRULE_SSE2
        if constexpr (std::is_same_v<T, float>)
            return static_cast<unsigned>(_mm_movemask_ps((__m128)mask));
        else
            return static_cast<unsigned>(_mm_movemask_pd((__m128d)mask));
#else
        std::uint64_t bits = 0;
        for (int i = 0; i < width; ++i) bits |= (std::uint64_t{1} & mask[i]) << i;
        return bits;
#endif
    }
    CHAINRULE_INLINE bool any(I mask) {
        Int found = 0;
        for (int i = 0; i < width; ++i) found |= mask[i];
        return found != 0;
    }

#if CHAINRULE_AVX512 || CHAINRULE_AVX2 || CHAINRULE_NEON
    static constexpr bool has_fma = true;
#else
    static constexpr bool has_fma = false;
#endif
    // a b + c
    CHAINRULE_INLINE V fma(V a, V b, V c) {
#if CHAINRULE_AVX512
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
        else
            return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif CHAINRULE_AVX2
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
        else
            return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif CHAINRULE_NEON
        if constexpr (std::is_same_v<T, float>)
            return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
        else
            return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
        return a * b + c;
#endif
    }
    CHAINRULE_INLINE V sqrt(V a) {
#if CHAINRULE_AVX512  // masked by all ones: GCC 12 warns of the plain form
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm512_maskz_sqrt_ps(0xffff, (__m512)a);
        else
            return (V)_mm512_maskz_sqrt_pd(0xff, (__m512d)a);
#elif CHAINRULE_AVX2
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm256_sqrt_ps((__m256)a);
        else
            return (V)_mm256_sqrt_pd((__m256d)a);
#elif CHAINRULE_NEON
        if constexpr (std::is_same_v<T, float>)
            return (V)vsqrtq_f32((float32x4_t)a);
        else
            return (V)vsqrtq_f64((float64x2_t)a);
#elif CHAINRULE_SSE2
        if constexpr (std::is_same_v<T, float>)
            return (V)_mm_sqrt_ps((__m128)a);
        else
            return (V)_mm_sqrt_pd((__m128d)a);
#else
        for (int i = 0; i < width; ++i) a[i] = __builtin_sqrt(a[i]);
        return a;
#endif
    }
};

// The width of a panel: what a matrix kernel has in registers side by side, two vectors.
template <class T>
inline constexpr int panel_width = 2 * Simd<T>::width;

}  // namespace chainrule::CHAINRULE_ISA
