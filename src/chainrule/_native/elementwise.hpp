// Micro-operations on a block of rows × panel_width elements, or the first half of each row
// (kernels.hpp). Where an operand lies
// is settled first, as a pointer with a step from row to row and from vector to vector; then each
// micro-operation is one loop over the block.
#pragma once
#include <cstddef>
#include <type_traits>

#include "kernels.hpp"
#include "math.hpp"

namespace chainrule::CHAINRULE_ISA {

// Short functions take both vectors of a row at once; of long ones a second copy would only cost
// space.
enum class Length { small, large };

// How many vectors f takes.
template <class F, class V>
constexpr int arity_of() {
    if constexpr (std::is_invocable_v<F, V>) return 1;
    if constexpr (std::is_invocable_v<F, V, V>) return 2;
    if constexpr (std::is_invocable_v<F, V, V, V>) return 3;
    if constexpr (std::is_invocable_v<F, V, V, V, V>) return 4;
    return 5;
}

// dst ← f of as many sources as f takes; place(number) says where each lies.
template <class T, Length length, class Places, class F>
CHAINRULE_INLINE void each(int rows, int vectors, const MicroOp& op, Places place, F f) {
    using S = Simd<T>;
    using V = typename S::V;
    constexpr int arity = arity_of<F, V>();
    T* to = place(op.dst).data;
    Operand<T> from[arity];
#pragma GCC unroll 5
    for (int i = 0; i < arity; ++i) from[i] = place(op.sources[i]);
    const auto vector = [&](int v) CHAINRULE_INLINED {
        const auto x = [&](int i)
                           CHAINRULE_INLINED { return S::load(from[i].data + v * from[i].vector); };
        if constexpr (arity == 1)
            return f(x(0));
        else if constexpr (arity == 2)
            return f(x(0), x(1));
        else if constexpr (arity == 3)
            return f(x(0), x(1), x(2));
        else if constexpr (arity == 4)
            return f(x(0), x(1), x(2), x(3));
        else
            return f(x(0), x(1), x(2), x(3), x(4));
    };
    const auto next_row = [&]() CHAINRULE_INLINED {
        to += panel_width<T>;
#pragma GCC unroll 5
        for (int i = 0; i < arity; ++i) from[i].data += from[i].row;
    };
    if (length == Length::small && vectors == 2) {
        for (int r = 0; r < rows; ++r, next_row()) {
            S::store(to, vector(0));
            S::store(to + S::width, vector(1));
        }
        return;
    }
    for (int r = 0; r < rows; ++r, next_row()) {
#pragma GCC unroll 1
        for (int v = 0; v < vectors; ++v) S::store(to + v * S::width, vector(v));
    }
}

// Adam's step in one pass. Its numbers are the same for all elements, and loaded once.
template <class T, class Places>
CHAINRULE_INLINE void adam(int rows, int vectors, const MicroOp& op, Places place) {
    using S = Simd<T>;
    using V = typename S::V;
    constexpr int from = 4, numbers = 6, panel = panel_width<T>;
    const auto at = [&](int i) CHAINRULE_INLINED { return place(op.sources[i]).data; };
    const T *w = at(0), *m = at(1), *v = at(2), *g = at(3);
    V number[numbers];
    for (int i = 0; i < numbers; ++i) number[i] = S::load(at(from + i));
    const auto [keep_m, add_m, keep_v, add_v, rate, least] = number;
    T *to_w = place(op.dst).data, *to_m = at(from + numbers), *to_v = at(from + numbers + 1);
    for (int i = 0, step = panel / vectors; i < rows * panel; i += step) {
        const V gradient = S::load(g + i);
        const V mean = S::fma(keep_m, S::load(m + i), add_m * gradient);
        const V square = S::fma(keep_v, S::load(v + i), add_v * (gradient * gradient));
        const V moved = S::load(w + i) - rate * mean / (S::sqrt(square) + least);
        S::store(to_m + i, mean);
        S::store(to_v + i, square);
        S::store(to_w + i, moved);
    }
}

// To the nearest number of 8 significant bits, the even one of two as near; NaN stays NaN.
template <class T>
CHAINRULE_INLINE Vector<T> bfloat16(Vector<T> a) {
    using S = Simd<T>;
    using Int = typename S::Int;
    constexpr int dropped = std::is_same_v<T, float> ? 16 : 45;
    const auto bits = S::bits(a);
    const auto odd = (bits >> dropped) & S::set1i(1);
    const auto up = bits + S::set1i((Int{1} << (dropped - 1)) - 1) + odd;
    return S::select(a != a, a, S::real(up & S::set1i(~((Int{1} << dropped) - 1))));
}

template <class T>
CHAINRULE_INLINE Vector<T> truth(typename Simd<T>::I mask) {
    return Simd<T>::real(mask & Simd<T>::bits(Simd<T>::set1(1)));
}

// −1, 0 or 1; NaN of NaN.
template <class T>
CHAINRULE_INLINE Vector<T> sign(Vector<T> a) {
    using S = Simd<T>;
    return S::select((a > 0) | (a < 0), S::copy_sign(S::set1(1), a),
                     S::select(a == 0, S::zero(), a));
}

#define CHAINRULE_MICRO(name, length, parameters, expression)                            \
    case Micro::name:                                                                    \
        each<T, Length::length>(rows, vectors, *code, place,                             \
                                [] parameters CHAINRULE_INLINED { return expression; }); \
        break

template <class T>
void elementwise(const MicroOp* code, int length, const Operand<T>* operands, int operand_count,
                 int rows, int vectors, T* scratch) {
    using S = Simd<T>;
    using V = typename S::V;
    constexpr int panel = panel_width<T>;
    const std::ptrdiff_t block = static_cast<std::ptrdiff_t>(rows) * panel;

    Operand<T> places[scratch_register];
    for (int i = 0; i < operand_count; ++i) {
        places[i] = operands[i];
        if (operands[i].row != 1) continue;
        const T* column = operands[i].data;  // a vector for each row
        for (int r = 0; r < rows; ++r) S::store(scratch + r * S::width, S::set1(column[r]));
        places[i] = {scratch, S::width, 0};
        scratch += block;
    }
    T* const registers = scratch;
    const auto place = [&](int number) CHAINRULE_INLINED -> Operand<T> {
        if (number < scratch_register) return places[number];
        return {registers + (number - scratch_register) * block, panel, S::width};
    };

    for (const MicroOp* end = code + length; code != end; ++code) {
        switch (code->op) {
            CHAINRULE_MICRO(copy, small, (V x), x);
            CHAINRULE_MICRO(add, small, (V x, V y), x + y);
            CHAINRULE_MICRO(subtract, small, (V x, V y), x - y);
            CHAINRULE_MICRO(multiply, small, (V x, V y), x * y);
            CHAINRULE_MICRO(divide, small, (V x, V y), x / y);
            CHAINRULE_MICRO(power, large, (V x, V y), power<T>(x, y));
            CHAINRULE_MICRO(maximum, small, (V x, V y), S::max(x, y));
            CHAINRULE_MICRO(minimum, small, (V x, V y), S::min(x, y));
            CHAINRULE_MICRO(greater, small, (V x, V y), truth<T>(x > y));
            CHAINRULE_MICRO(greater_equal, small, (V x, V y), truth<T>(x >= y));
            CHAINRULE_MICRO(equal, small, (V x, V y), truth<T>(x == y));
            CHAINRULE_MICRO(select, small, (V x, V y, V z), S::select(x != 0, y, z));
            CHAINRULE_MICRO(multiply_add, small, (V x, V y, V z), S::fma(x, y, z));
            CHAINRULE_MICRO(negative, small, (V x), -x);
            CHAINRULE_MICRO(exp, large, (V x), exp<T>(x));
            CHAINRULE_MICRO(expm1, large, (V x), expm1<T>(x));
            CHAINRULE_MICRO(log, large, (V x), log<T>(x));
            CHAINRULE_MICRO(log1p, large, (V x), log1p<T>(x));
            CHAINRULE_MICRO(sqrt, small, (V x), S::sqrt(x));
            CHAINRULE_MICRO(square, small, (V x), x * x);
            CHAINRULE_MICRO(abs, small, (V x), S::abs(x));
            CHAINRULE_MICRO(sign, small, (V x), sign<T>(x));
            CHAINRULE_MICRO(sin, large, (V x), sin(x));
            CHAINRULE_MICRO(cos, large, (V x), cos(x));
            CHAINRULE_MICRO(erf, large, (V x), erf(x));
            CHAINRULE_MICRO(sigmoid, large, (V x), sigmoid<T>(x));
            CHAINRULE_MICRO(tanh, large, (V x), tanh(x));
            CHAINRULE_MICRO(relu, small, (V x), S::at_least(x, S::zero()));
            CHAINRULE_MICRO(softplus, large, (V x), softplus<T>(x));
            CHAINRULE_MICRO(bfloat16, small, (V x), bfloat16<T>(x));
            CHAINRULE_MICRO(average, small, (V x, V y, V k, V l), S::fma(k, x, l * y));
            CHAINRULE_MICRO(average_of_squares, small, (V x, V y, V k, V l),
                            S::fma(k, x, l * (y * y)));
            CHAINRULE_MICRO(adam_step, small, (V w, V m, V v, V rate, V least),
                            w - rate * m / (S::sqrt(v) + least));
            CHAINRULE_MICRO(descend, small, (V w, V g, V rate), w - rate * g);
            CHAINRULE_MICRO(momentum, small, (V w, V g, V rate, V kept), kept * w - rate * g);
            CHAINRULE_MICRO(normalize, small, (V x, V mean, V variance, V least),
                            (x - mean) / S::sqrt(variance + least));
            CHAINRULE_MICRO(add_relu, small, (V x, V y), S::at_least(x + y, S::zero()));
            CHAINRULE_MICRO(greater_multiply, small, (V x, V y, V z), truth<T>(x > y) * z);
            CHAINRULE_MICRO(descend_multiply, small, (V w, V g, V rate, V k), k * (w - rate * g));
            case Micro::adam:
                adam<T>(rows, vectors, *code, place);
                break;
            case Micro::count_:
                break;
        }
    }
}
#undef CHAINRULE_MICRO

}  // namespace chainrule::CHAINRULE_ISA
