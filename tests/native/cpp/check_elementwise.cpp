// Micro-operations on blocks: functions beside those of the C library in a wider type, arithmetic
// beside its own formula, to the last bit.
#include <functional>

#include "checks.hpp"

namespace chainrule::checks {
namespace {

// One micro-operation on contiguous arrays, a block of `rows` at a time.
template <class T>
std::vector<T> applied(const Kernels<T>& k, Micro micro, std::vector<std::vector<T>> sources,
                       int rows = max_block_rows) {
    const std::size_t size = sources[0].size();
    const std::size_t block = static_cast<std::size_t>(rows) * k.panel_width;
    const std::size_t padded = (size + block - 1) / block * block;
    std::vector<T> out(padded), scratch(16 * block);
    for (auto& s : sources) s.resize(padded, T(1));
    MicroOp op{};
    op.op = micro;
    op.dst = static_cast<std::uint8_t>(sources.size());
    for (std::size_t i = 0; i < max_sources; ++i)
        op.sources[i] = static_cast<std::uint8_t>(std::min(i, sources.size() - 1));
    for (std::size_t start = 0; start < padded; start += block) {
        std::vector<Operand<T>> operands;
        for (auto& s : sources)
            operands.push_back(operand(s.data() + start, Spread::full, k.panel_width));
        operands.push_back(operand(out.data() + start, Spread::full, k.panel_width));
        k.elementwise(&op, 1, operands.data(), static_cast<int>(operands.size()), rows, 2,
                      scratch.data());
    }
    out.resize(size);
    return out;
}

template <class T>
std::vector<T> arguments(std::mt19937& rng, double low, double high) {
    std::vector<T> x;
    std::uniform_real_distribution<double> unit(-1, 1);
    std::uniform_int_distribution<int> exponent(std::numeric_limits<T>::min_exponent + 2, 60);
    for (int i = 0; i <= 4000; ++i) x.push_back(static_cast<T>(low + (high - low) * i / 4000));
    for (int i = 0; i < 2000; ++i) x.push_back(static_cast<T>(unit(rng)));
    for (int i = 0; i < 2000; ++i)
        x.push_back(static_cast<T>(std::ldexp(unit(rng), exponent(rng))));
    return x;
}

// Emulators compute x86's instruction for logarithms to little more than double precision, that
// for exponentials well: Newton's step repairs the former.
Wide precise_log1p(Wide x) {
    const Wide y = std::log1p(x);
    return std::isfinite(y) ? y - (std::expm1(y) - x) / (1 + x) : y;
}
Wide precise_log(Wide x) {
    if (std::fabs(x - 1) < Wide{0.5}) return precise_log1p(x - 1);
    const Wide y = std::log(x);
    return std::isfinite(y) ? y + (x * std::exp(-y) - 1) : y;
}

template <class T, class F>
void check_function(const Kernels<T>& k, std::mt19937& rng, const char* name, Micro micro, F exact,
                    double low, double high, double bound) {
    const auto x = arguments<T>(rng, low, high);
    const auto got = applied<T>(k, micro, {x});
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
        worst = std::max(worst, ulps(got[i], exact(static_cast<Wide>(x[i]))));
    check(worst <= bound, about(k, name) + ": " + std::to_string(worst) + " units");
    const auto ends =
        applied<T>(k, micro,
                   {{std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                     -std::numeric_limits<T>::infinity(), T(0)}});
    const Wide infinity = std::numeric_limits<Wide>::infinity();
    check(std::isnan(ends[0]), about(k, name) + " of NaN");
    check(ulps(ends[1], exact(infinity)) <= 1, about(k, name) + " of infinity");
    check(ulps(ends[2], exact(-infinity)) <= 1, about(k, name) + " of minus infinity");
    check(ulps(ends[3], exact(0)) <= 1, about(k, name) + " of zero");
}

template <class T>
void check_functions(const Kernels<T>& k, std::mt19937& rng) {
    const double far = std::is_same_v<T, float> ? 90 : 700;
    const auto test = [&](const char* name, Micro micro, auto f, double low, double high,
                          double bound) {
        check_function(k, rng, name, micro, f, low, high, bound);
    };
    test("exp", Micro::exp, [](Wide x) { return std::exp(x); }, -far, far, 1.5);
    test("expm1", Micro::expm1, [](Wide x) { return std::expm1(x); }, -far / 4, far, 2);
    test("log", Micro::log, precise_log, 0, 10, 1.5);
    test("log1p", Micro::log1p, precise_log1p, -1, 10, 1.5);
    test("tanh", Micro::tanh, [](Wide x) { return std::tanh(x); }, -10, 10, 3);
    test("erf", Micro::erf, [](Wide x) { return std::erf(x); }, -6, 6, 2);
    test("sin", Micro::sin, [](Wide x) { return std::sin(x); }, -100, 100, 1.1);
    test("cos", Micro::cos, [](Wide x) { return std::cos(x); }, -100, 100, 1.1);
    test("sigmoid", Micro::sigmoid, [](Wide x) { return 1 / (1 + std::exp(-x)); }, -far, far, 3);
    test(
        "softplus", Micro::softplus,
        [](Wide x) { return std::max(x, Wide{0}) + precise_log1p(std::exp(-std::fabs(x))); }, -far,
        far, 2);
    const auto a = arguments<T>(rng, 0, 30);
    auto b = arguments<T>(rng, -5, 5);
    for (T& y : b) y = std::fmod(y, T(30));
    const auto got = applied<T>(k, Micro::power, {a, b});
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        worst = std::max(worst, ulps(got[i], std::pow(Wide{a[i]}, Wide{b[i]})));
    check(worst <= 1.5, about(k, "power") + ": " + std::to_string(worst) + " units");
}

// The nearest number of 8 significant bits, fewer below the smallest normal number; the even one of
// two as near.
template <class T>
T to_bfloat16(T x) {
    if (!std::isfinite(x)) return x;
    int exponent;
    std::frexp(x, &exponent);
    exponent = std::max(exponent, std::numeric_limits<T>::min_exponent);
    return std::ldexp(std::nearbyint(std::ldexp(x, 8 - exponent)), exponent - 8);
}

template <class T>
struct Formula {
    Micro micro;
    int arity;
    std::function<T(const T*)> of;
};

// All that is rounded in one way only.
template <class T>
std::vector<Formula<T>> formulas(bool fused) {
    const auto add_product = [fused](T a, T b, T c) {
        return fused ? std::fma(a, b, c) : a * b + c;
    };
    const auto truth = [](bool holds) { return holds ? T(1) : T(0); };
    const auto either_nan = [](T a, T b) { return std::isnan(a) || std::isnan(b); };
    return {
        {Micro::copy, 1, [](const T* x) { return x[0]; }},
        {Micro::add, 2, [](const T* x) { return x[0] + x[1]; }},
        {Micro::subtract, 2, [](const T* x) { return x[0] - x[1]; }},
        {Micro::multiply, 2, [](const T* x) { return x[0] * x[1]; }},
        {Micro::divide, 2, [](const T* x) { return x[0] / x[1]; }},
        {Micro::maximum, 2,
         [=](const T* x) { return either_nan(x[0], x[1]) ? T(NAN)
                                  : x[0] > x[1]          ? x[0]
                                                         : x[1]; }},
        {Micro::minimum, 2,
         [=](const T* x) { return either_nan(x[0], x[1]) ? T(NAN)
                                  : x[0] < x[1]          ? x[0]
                                                         : x[1]; }},
        {Micro::greater, 2, [=](const T* x) { return truth(x[0] > x[1]); }},
        {Micro::greater_equal, 2, [=](const T* x) { return truth(x[0] >= x[1]); }},
        {Micro::equal, 2, [=](const T* x) { return truth(x[0] == x[1]); }},
        {Micro::select, 3, [](const T* x) { return x[0] != 0 ? x[1] : x[2]; }},
        {Micro::multiply_add, 3, [=](const T* x) { return add_product(x[0], x[1], x[2]); }},
        {Micro::negative, 1, [](const T* x) { return -x[0]; }},
        {Micro::sqrt, 1, [](const T* x) { return std::sqrt(x[0]); }},
        {Micro::square, 1, [](const T* x) { return x[0] * x[0]; }},
        {Micro::abs, 1, [](const T* x) { return std::fabs(x[0]); }},
        {Micro::sign, 1,
         [](const T* x) {
             return std::isnan(x[0]) ? x[0] : x[0] == 0 ? T(0) : std::copysign(T(1), x[0]);
         }},
        {Micro::relu, 1, [](const T* x) { return x[0] < 0 ? T(0) : x[0]; }},
        {Micro::bfloat16, 1, [](const T* x) { return to_bfloat16(x[0]); }},
        {Micro::average, 4, [=](const T* x) { return add_product(x[2], x[0], x[3] * x[1]); }},
        {Micro::average_of_squares, 4,
         [=](const T* x) { return add_product(x[2], x[0], x[3] * (x[1] * x[1])); }},
        {Micro::adam_step, 5,
         [](const T* x) { return x[0] - x[3] * x[1] / (std::sqrt(x[2]) + x[4]); }},
        {Micro::descend, 3, [](const T* x) { return x[0] - x[2] * x[1]; }},
        {Micro::momentum, 4, [](const T* x) { return x[3] * x[0] - x[2] * x[1]; }},
        {Micro::normalize, 4, [](const T* x) { return (x[0] - x[1]) / std::sqrt(x[2] + x[3]); }},
        {Micro::add_relu, 2, [](const T* x) { return x[0] + x[1] < 0 ? T(0) : x[0] + x[1]; }},
        {Micro::greater_multiply, 3, [=](const T* x) { return truth(x[0] > x[1]) * x[2]; }},
        {Micro::descend_multiply, 4, [](const T* x) { return x[3] * (x[0] - x[2] * x[1]); }},
    };
}

// Numbers of every kind, and ends of the range.
template <class T>
std::vector<std::vector<T>> operands_of_all_kinds(std::mt19937& rng) {
    using Limits = std::numeric_limits<T>;
    const std::vector<T> edges = {T(0),
                                  -T(0),
                                  T(1),
                                  T(-1),
                                  T(0.5),
                                  T(-3),
                                  Limits::min(),
                                  -Limits::denorm_min(),
                                  Limits::max(),
                                  Limits::infinity(),
                                  -Limits::infinity(),
                                  Limits::quiet_NaN()};
    std::vector<std::vector<T>> made;
    for (int i = 0; i < 5; ++i) {
        auto x = arguments<T>(rng, -10, 10);
        for (std::size_t j = 0; j < x.size(); j += 3) x[j] = edges[rng() % edges.size()];
        std::shuffle(x.begin(), x.end(), rng);
        made.push_back(std::move(x));
    }
    return made;
}

template <class T>
void check_arithmetic(const Kernels<T>& k, std::mt19937& rng) {
    const auto x = operands_of_all_kinds<T>(rng);
    for (const auto& formula : formulas<T>(fuses(k))) {
        std::vector<T> expected(x[0].size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const T sources[] = {x[0][i], x[1][i], x[2][i], x[3][i], x[4][i]};
            expected[i] = formula.of(sources);
        }
        const char* name = micro_names[static_cast<int>(formula.micro)];
        for (const int rows : {1, 2, 5, 31, 32})
            check(same(applied<T>(k, formula.micro, {x.begin(), x.begin() + formula.arity}, rows),
                       expected),
                  about(k, name, rows));
    }
}

// Adam at once has the bits of its three steps, in place.
template <class T>
void check_adam(const Kernels<T>& k, std::mt19937& rng) {
    enum { w, m, v, g, keep_m, add_m, keep_v, add_v, rate, least, count };
    for (int rows = 1; rows <= max_block_rows; ++rows) {
        std::vector<std::vector<T>> once;
        for (int i = 0; i < keep_m; ++i) once.push_back(drawn<T>(rng, rows, k.panel_width).data);
        for (T& x : once[v]) x = std::fabs(x);
        auto thrice = once;
        std::vector<T> numbers, scratch(16 * max_block_rows * k.panel_width);
        for (const double x : {0.9, 0.1, 0.99, 0.01, 0.001, 1e-7})
            numbers.insert(numbers.end(), k.vector_width, static_cast<T>(x));
        const auto run = [&](std::vector<std::vector<T>>& arrays, std::vector<MicroOp> code) {
            std::vector<Operand<T>> operands;
            for (auto& array : arrays)
                operands.push_back(operand(array.data(), Spread::full, k.panel_width));
            for (int i = 0; i < count - keep_m; ++i)
                operands.push_back(
                    operand(numbers.data() + i * k.vector_width, Spread::scalar, k.panel_width));
            k.elementwise(code.data(), static_cast<int>(code.size()), operands.data(), count, rows,
                          2, scratch.data());
        };
        run(once,
            {{Micro::adam, w, {w, m, v, g, keep_m, add_m, keep_v, add_v, rate, least, m, v}}});
        run(thrice, {{Micro::average, m, {m, g, keep_m, add_m}},
                     {Micro::average_of_squares, v, {v, g, keep_v, add_v}},
                     {Micro::adam_step, w, {w, m, v, rate, least}}});
        check(once == thrice, about(k, "adam", rows));
    }
}

template <class T>
void check_blocks(const Kernels<T>& k, std::mt19937& rng) {
    const int panel = k.panel_width;
    for (int rows = 1; rows <= max_block_rows; ++rows)
        for (const Spread spread : {Spread::full, Spread::row, Spread::column, Spread::scalar}) {
            const auto x = drawn<T>(rng, rows, panel), y = drawn<T>(rng, rows, panel);
            std::vector<T> from = y.data, left = x.data, out((rows + 1) * panel, T(7));
            if (spread == Spread::scalar) std::fill_n(from.data(), panel, y(0, 0));
            std::vector<T> scratch(static_cast<std::size_t>(4) * max_block_rows * panel);
            const Operand<T> operands[] = {operand(left.data(), Spread::full, panel),
                                           operand(from.data(), spread, panel),
                                           operand(out.data(), Spread::full, panel)};
            MicroOp code[2]{};
            code[0].op = Micro::subtract, code[0].dst = scratch_register;
            code[0].sources[0] = 0, code[0].sources[1] = 1;
            code[1].op = Micro::multiply, code[1].dst = 2;
            code[1].sources[0] = scratch_register, code[1].sources[1] = 0;
            k.elementwise(code, 2, operands, 3, rows, 2, scratch.data());
            bool equal = true;
            for (int r = 0; r < rows; ++r)
                for (int c = 0; c < panel; ++c) {
                    const T other = spread == Spread::full     ? y(r, c)
                                    : spread == Spread::row    ? y(0, c)
                                    : spread == Spread::column ? from[r]
                                                               : y(0, 0);
                    const volatile T below = x(r, c) - other;
                    equal &= out[r * panel + c] == below * x(r, c);
                }
            for (int c = 0; c < panel; ++c) equal &= out[rows * panel + c] == T(7);
            check(equal, about(k, "block", rows, static_cast<int>(spread)));
        }
}

}  // namespace

template <class T>
bool fuses(const Kernels<T>& k) {
    const T a = 1 + std::numeric_limits<T>::epsilon();  // a² needs more bits than there are
    return applied<T>(k, Micro::multiply_add, {{a}, {a}, {-(a * a)}})[0] != 0;
}

template <class T>
void check_elementwise(const Kernels<T>& k, std::mt19937& rng) {
    check_functions(k, rng);
    check_arithmetic(k, rng);
    check_adam(k, rng);
    check_blocks(k, rng);
}

template <class T>
void check_same_elements(const Kernels<T>& one, const Kernels<T>& other, std::mt19937& rng) {
    const auto x = operands_of_all_kinds<T>(rng);
    for (int i = 0; i < static_cast<int>(Micro::adam); ++i) {
        const auto micro = static_cast<Micro>(i);
        check(same(applied(one, micro, x), applied(other, micro, x)),
              about(one, other.isa) + ": " + micro_names[i]);
    }
}

template bool fuses(const Kernels<float>&);
template bool fuses(const Kernels<double>&);
template void check_elementwise(const Kernels<float>&, std::mt19937&);
template void check_elementwise(const Kernels<double>&, std::mt19937&);
template void check_same_elements(const Kernels<float>&, const Kernels<float>&, std::mt19937&);
template void check_same_elements(const Kernels<double>&, const Kernels<double>&, std::mt19937&);

}  // namespace chainrule::checks
