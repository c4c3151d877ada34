// The compiled core without Python: kernels, panels, streams, threads and the runner against plain
// loops, on every instruction set of the machine it runs on. For machines where Python is not at
// hand, as an emulated arm64 (scripts/arm64); tests/native checks the same kernels more closely.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels.hpp"
#include "noise.hpp"
#include "panels.hpp"
#include "philox.hpp"
#include "runner.hpp"
#include "team.hpp"

namespace chainrule::wide {  // wide.cpp
extern const Kernels<float> float_table;
extern const Kernels<double> double_table;
}  // namespace chainrule::wide

namespace {

using namespace chainrule;
using Wide = long double;  // at least double: 113 bits on arm64, 64 on x86-64

int checks = 0, failures = 0;

void check(bool holds, const std::string& what) {
    ++checks;
    if (holds) return;
    if (++failures <= 20) std::printf("FAILED %s\n", what.c_str());
}

constexpr int lengths[] = {0, 1, 2, 3, 7, 15, 16, 17, 33};

template <class T>
const char* type_name() {
    return std::is_same_v<T, float> ? "float32" : "float64";
}

template <class T>
std::string about(const Kernels<T>& k, const char* what, int a = -1, int b = -1, int c = -1) {
    std::string text = std::string(k.isa) + " " + type_name<T>() + " " + what;
    for (const int n : {a, b, c})
        if (n >= 0) text.append(" ").append(std::to_string(n));
    return text;
}

template <class T>
struct Matrix {  // row-major
    int rows, columns;
    std::vector<T> data;
    Matrix(int rows, int columns)
        : rows(rows), columns(columns), data(static_cast<std::size_t>(rows) * columns) {}
    T& operator()(int r, int c) { return data[static_cast<std::size_t>(r) * columns + c]; }
    T operator()(int r, int c) const { return data[static_cast<std::size_t>(r) * columns + c]; }
};

template <class T>
Matrix<T> drawn(std::mt19937& rng, int rows, int columns) {
    std::normal_distribution<double> normal;
    Matrix<T> made(rows, columns);
    for (T& x : made.data) x = static_cast<T>(normal(rng));
    return made;
}

// A matrix in panels, NaN in the padding.
template <class T>
struct Panels {
    int rows, columns, panel;
    std::vector<T> data;
    Panels(int rows, int columns, int panel)
        : rows(rows),
          columns(columns),
          panel(panel),
          data(static_cast<std::size_t>((columns + panel - 1) / panel) * rows * panel,
               std::numeric_limits<T>::quiet_NaN()) {}
    Panels(const Matrix<T>& m, int panel) : Panels(m.rows, m.columns, panel) {
        to_panels(m.data.data(), rows, columns, panel, data.data());
    }
    T* at(int r, int c) {
        return data.data() + (static_cast<std::size_t>(c / panel) * rows + r) * panel + c % panel;
    }
};

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// |got − exact| in units in the last place of exact; small results may count as zero.
template <class T>
double ulps(T got, Wide exact) {
    constexpr Wide least = std::numeric_limits<T>::min();
    if (std::isnan(exact)) return std::isnan(got) ? 0 : 1e9;
    if (std::fabs(exact) > static_cast<Wide>(std::numeric_limits<T>::max()))
        return std::isinf(got) && (got > 0) == (exact > 0) ? 0 : 1e9;
    if (std::fabs(exact) < least && got == 0) return 0;
    int exponent;
    std::frexp(std::max(std::fabs(exact), least), &exponent);
    const Wide unit = std::ldexp(Wide{1}, exponent - std::numeric_limits<T>::digits);
    return static_cast<double>(std::fabs(got - exact) / unit);
}

// Σₖ left(k) right(k) beside its own bound.
template <class T, class Left, class Right>
bool is_product(T got, int k, Left left, Right right) {
    Wide sum = 0, size = 0;
    for (int i = 0; i < k; ++i) {
        sum += static_cast<Wide>(left(i)) * right(i);
        size += std::fabs(static_cast<Wide>(left(i)) * right(i));
    }
    return std::fabs(got - sum) <= (k + 1) * std::numeric_limits<T>::epsilon() * size;
}

template <class T>
void check_products(const Kernels<T>& k, std::mt19937& rng) {
    const int panel = k.panel_width;
    for (const int rows : lengths)
        for (const int depth : lengths)
            for (const int columns : lengths) {
                const auto a = drawn<T>(rng, rows, depth), b = drawn<T>(rng, depth, columns);
                Matrix<T> turned(depth, rows);
                for (int i = 0; i < rows; ++i)
                    for (int j = 0; j < depth; ++j) turned(j, i) = a(i, j);
                Panels<T> left(a, panel), right(b, panel), x(turned, panel);
                Panels<T> nn(rows, columns, panel), tn(rows, columns, panel);
                for (int column = 0; column < columns; column += panel) {
                    const int vectors = 2 * (columns - column) > panel ? 2 : 1;
                    for (int row = 0, n; row < rows; row += n) {
                        n = std::min({k.tile_rows, rows - row, panel - row % panel});
                        k.nn(left.at(row, 0), static_cast<std::size_t>(rows) * panel, depth,
                             right.at(0, column), n, vectors, false, nn.at(row, column));
                        k.tn(x.at(0, row), right.at(0, column), depth, n, vectors, false,
                             tn.at(row, column));
                    }
                }
                bool close = true, equal = true;
                for (int i = 0; i < rows; ++i)
                    for (int j = 0; j < columns; ++j) {
                        close &= is_product(
                            *nn.at(i, j), depth, [&](int s) { return a(i, s); },
                            [&](int s) { return b(s, j); });
                        equal &= *nn.at(i, j) == *tn.at(i, j);
                    }
                check(close, about(k, "nn", rows, depth, columns));
                check(equal, about(k, "tn", rows, depth, columns));
            }
}

template <class T>
void check_rows(const Kernels<T>& k, std::mt19937& rng) {
    const int panel = k.panel_width;
    const Wide eps = std::numeric_limits<T>::epsilon();
    for (const int rows : lengths)
        for (const int columns : lengths) {
            if (columns == 0) continue;
            const auto m = drawn<T>(rng, rows, columns);
            const Panels<T> x(m, panel);
            Panels<T> soft(rows, columns, panel), logs(rows, columns, panel);
            Panels<T> turned(columns, rows, panel), error(rows, columns, panel);
            std::vector<T> sum(rows), most(rows), loss(rows);
            std::vector<std::int64_t> best(rows), labels(rows);
            for (int i = 0; i < rows; ++i) labels[i] = i % columns;
            const T* data = x.data.data();
            const int cut = rows / 3;  // two shares
            for (const auto& [first, last] : {std::pair{0, cut}, std::pair{cut, rows}}) {
                k.softmax(data, rows, columns, first, last, soft.data.data());
                k.log_softmax(data, rows, columns, first, last, logs.data.data());
                k.row_sum(data, rows, columns, first, last, sum.data());
                k.row_max(data, rows, columns, first, last, most.data());
                k.row_argmax(data, rows, columns, first, last, best.data());
                k.sparse_cross_entropy(data, labels.data(), rows, columns, first, last, loss.data(),
                                       error.data.data());
            }
            k.transpose(data, rows, columns, 0, (columns + panel - 1) / panel, turned.data.data());
            bool moved = true, near = true;
            for (int i = 0; i < rows; ++i) {
                Wide total = 0, size = 0, largest = m(i, 0), exps = 0;
                int place = 0;
                for (int j = 0; j < columns; ++j) {
                    total += m(i, j);
                    size += std::fabs(m(i, j));
                    if (m(i, j) > m(i, place)) place = j;
                    moved &= *turned.at(j, i) == m(i, j);
                }
                largest = m(i, place);
                for (int j = 0; j < columns; ++j) exps += std::exp(m(i, j) - largest);
                near &= std::fabs(sum[i] - total) <= columns * eps * size;
                near &= same(most[i], static_cast<double>(largest)) && best[i] == place;
                const Wide room = (columns + 16) * eps;
                for (int j = 0; j < columns; ++j) {
                    const Wide p = std::exp(m(i, j) - largest) / exps;
                    const Wide log_p = m(i, j) - largest - std::log(exps);
                    near &= std::fabs(*soft.at(i, j) - p) <= room * p;
                    near &= std::fabs(*logs.at(i, j) - log_p) <= 8 * room;
                    near &= std::fabs(*error.at(i, j) - (p - (j == labels[i]))) <= room;
                    if (j == labels[i]) near &= std::fabs(loss[i] + log_p) <= 8 * room;
                }
            }
            check(moved, about(k, "transpose", rows, columns));
            check(near, about(k, "rows", rows, columns));
            bool summed = true;
            for (int p = 0; p * panel < columns; ++p) {
                std::vector<T> out(panel);
                k.column_sum(data, rows, p, out.data());
                for (int j = p * panel; j < std::min(columns, (p + 1) * panel); ++j) {
                    Wide exact = 0, size = 0;
                    for (int i = 0; i < rows; ++i) exact += m(i, j), size += std::fabs(m(i, j));
                    summed &= std::fabs(out[j - p * panel] - exact) <= rows * eps * size;
                }
            }
            check(summed, about(k, "column_sum", rows, columns));
            Wide exact = 0;
            for (const T v : sum) exact += v;
            check(std::fabs(k.total(sum.data(), sum.size()) - static_cast<double>(exact)) < 1e-9,
                  about(k, "total", rows));
        }
}

// One micro-operation on contiguous arrays, a block at a time.
template <class T>
std::vector<T> applied(const Kernels<T>& k, Micro micro, std::vector<std::vector<T>> sources) {
    const std::size_t size = sources[0].size();
    const std::size_t block = static_cast<std::size_t>(max_block_rows) * k.panel_width;
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
        k.elementwise(&op, 1, operands.data(), static_cast<int>(operands.size()), max_block_rows,
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
    test("log", Micro::log, [](Wide x) { return std::log(x); }, 0, 10, 1.5);
    test("log1p", Micro::log1p, [](Wide x) { return std::log1p(x); }, -1, 10, 1.5);
    test("tanh", Micro::tanh, [](Wide x) { return std::tanh(x); }, -10, 10, 3);
    test("erf", Micro::erf, [](Wide x) { return std::erf(x); }, -6, 6, 2);
    test("sin", Micro::sin, [](Wide x) { return std::sin(x); }, -100, 100, 1.1);
    test("cos", Micro::cos, [](Wide x) { return std::cos(x); }, -100, 100, 1.1);
    test("sigmoid", Micro::sigmoid, [](Wide x) { return 1 / (1 + std::exp(-x)); }, -far, far, 3);
    test(
        "softplus", Micro::softplus,
        [](Wide x) { return std::max(x, Wide{0}) + std::log1p(std::exp(-std::fabs(x))); }, -far,
        far, 2);
    test("sqrt", Micro::sqrt, [](Wide x) { return std::sqrt(x); }, 0, 10, 0.5);
    test("square", Micro::square, [](Wide x) { return x * x; }, -10, 10, 0.5);
    test("abs", Micro::abs, [](Wide x) { return std::fabs(x); }, -10, 10, 0);
    test(
        "relu", Micro::relu, [](Wide x) { return std::isnan(x) ? x : std::max(x, Wide{0}); }, -10,
        10, 0);
    const auto a = arguments<T>(rng, 0, 30);
    auto b = arguments<T>(rng, -5, 5);
    const auto pairs = [&](const char* name, Micro micro, auto exact, double bound) {
        const auto got = applied<T>(k, micro, {a, b});
        double worst = 0;
        for (std::size_t i = 0; i < a.size(); ++i)
            worst = std::max(worst, ulps(got[i], exact(Wide{a[i]}, Wide{b[i]})));
        check(worst <= bound, about(k, name) + ": " + std::to_string(worst) + " units");
    };
    pairs("add", Micro::add, [](Wide x, Wide y) { return x + y; }, 0.51);
    pairs("multiply", Micro::multiply, [](Wide x, Wide y) { return x * y; }, 0.51);
    pairs("divide", Micro::divide, [](Wide x, Wide y) { return x / y; }, 0.51);
    pairs("maximum", Micro::maximum, [](Wide x, Wide y) { return std::max(x, y); }, 0);
    pairs("greater", Micro::greater, [](Wide x, Wide y) { return x > y ? Wide{1} : Wide{0}; }, 0);
    for (T& y : b) y = std::fmod(y, T(30));
    pairs("power", Micro::power, [](Wide x, Wide y) { return std::pow(x, y); }, 1.5);
}

template <class T>
void check_blocks(const Kernels<T>& k, std::mt19937& rng) {
    const int panel = k.panel_width;
    for (int rows = 1; rows <= max_block_rows; ++rows)
        for (const Spread spread : {Spread::full, Spread::row, Spread::column, Spread::scalar}) {
            const auto x = drawn<T>(rng, rows, panel), y = drawn<T>(rng, rows, panel);
            std::vector<T> from = y.data, left = x.data, out(rows * panel, T(7));
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
            k.elementwise(code, 2, operands, 3, rows, scratch.data());
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
            check(equal, about(k, "block", rows, static_cast<int>(spread)));
        }
}

// A linear model's steps, w ← w − rate xᵀ(x w − y), against loops, and with 1, 2, 3 and 8 threads.
template <class T>
void check_runner(const Kernels<T>& k, std::mt19937& rng, int features, int outputs, int rows,
                  int batch) {
    enum { x_at, y_at, w_at, rate_at, difference_at };
    const auto code = [](Micro micro, int dst, std::initializer_list<int> sources) {
        MicroOp op{};
        op.op = micro, op.dst = static_cast<std::uint8_t>(dst);
        int i = 0;
        for (const int s : sources) op.sources[i++] = static_cast<std::uint8_t>(s);
        return op;
    };
    Plan plan;
    plan.buffers = {{Layout::matrix, batch_rows, features},
                    {Layout::matrix, batch_rows, outputs},
                    {Layout::matrix, features, outputs},
                    {Layout::scalar, 1, 1},
                    {Layout::matrix, batch_rows, outputs}};
    Instruction forward, update;
    forward.op = Opcode::nn, forward.a = x_at, forward.b = w_at;
    forward.operands = {-1, y_at, difference_at};
    forward.spreads = {Spread::full, Spread::full, Spread::full};
    forward.code = {code(Micro::subtract, 2, {0, 1})};
    update.op = Opcode::tn, update.a = x_at, update.b = difference_at;
    update.operands = {-1, w_at, rate_at};
    update.spreads = {Spread::full, Spread::full, Spread::scalar};
    update.registers = 1;
    update.code = {code(Micro::multiply, scratch_register, {2, 0}),
                   code(Micro::subtract, 1, {1, scratch_register})};
    plan.instructions = {forward, update};

    const auto x = drawn<T>(rng, rows, features), y = drawn<T>(rng, rows, outputs);
    const auto start = drawn<T>(rng, features, outputs);
    std::vector<std::int64_t> order(rows);
    for (int i = 0; i < rows; ++i) order[i] = rows - 1 - i;
    const int steps = (rows + batch - 1) / batch;
    const std::vector<double> rates(steps, 1e-3);
    const Source sources[] = {
        {x.data.data(), std::is_same_v<T, float> ? Element::float32 : Element::float64, x_at},
        {y.data.data(), std::is_same_v<T, float> ? Element::float32 : Element::float64, y_at}};
    const TableColumn table[] = {{rates.data(), nullptr, rate_at}};

    Matrix<Wide> exact(features, outputs);
    std::copy(start.data.begin(), start.data.end(), exact.data.begin());
    for (int step = 0; step < steps; ++step) {
        const int begin = step * batch, end = std::min(rows, begin + batch);
        Matrix<Wide> change(features, outputs);
        for (int r = begin; r < end; ++r)
            for (int o = 0; o < outputs; ++o) {
                Wide error = -Wide{y(rows - 1 - r, o)};
                for (int f = 0; f < features; ++f) error += x(rows - 1 - r, f) * exact(f, o);
                for (int f = 0; f < features; ++f) change(f, o) += x(rows - 1 - r, f) * error;
            }
        for (std::size_t i = 0; i < exact.data.size(); ++i)
            exact.data[i] -= Wide{1e-3} * change.data[i];
    }
    std::vector<T> first;
    for (const int threads : {1, 2, 3, 8}) {
        Runner<T> runner(k, plan);
        runner.write(w_at, start.data.data(), static_cast<std::int64_t>(start.data.size()));
        runner.run({.sources = sources,
                    .table = table,
                    .order = order.data(),
                    .row_count = rows,
                    .batch_size = batch,
                    .first = 0,
                    .last = steps,
                    .summed = {},
                    .sums = nullptr,
                    .kept = false,
                    .interrupted = {}},
                   threads);
        std::vector<T> w(start.data.size());
        runner.read(w_at, w.data(), features);
        if (first.empty()) {
            first = w;
            Wide worst = 0;
            for (std::size_t i = 0; i < w.size(); ++i)
                worst = std::max(worst, std::fabs(w[i] - exact.data[i]));
            check(worst < 1e4 * std::numeric_limits<T>::epsilon(),
                  about(k, "runner", features, rows, batch) + ": " +
                      std::to_string(static_cast<double>(worst)));
        }
        check(std::memcmp(first.data(), w.data(), w.size() * sizeof(T)) == 0,
              about(k, "runner's threads", features, rows, threads));
    }
}

void check_streams() {
    std::uint32_t words[4];
    philox_words({0x299f31d0a4093822, 0x13198a2e85a308d3, 0x03707344}, words, 4);
    // philox4x32-10's published answer for counter 243f6a88 … is at block 0x243f6a88.
    const auto block =
        philox_block({0x299f31d0a4093822, 0x13198a2e85a308d3, 0x03707344}, 0x243f6a88);
    check(block == std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
          "philox: the published answer");
    const auto first = philox_block({0x299f31d0a4093822, 0x13198a2e85a308d3, 0x03707344}, 0);
    check(std::equal(first.begin(), first.end(), words), "philox words");
    std::vector<std::int64_t> rows(1000);
    philox_permutation({1, 2, 3}, rows.data(), rows.size());
    std::sort(rows.begin(), rows.end());
    bool all = true;
    for (int i = 0; i < 1000; ++i) all &= rows[i] == i;
    check(all, "permutation");
    // What chainrule.random.normal(5, 9, 7, 6) gives.
    static constexpr double known[] = {0.3048341022465609,  -1.3670883802096567,
                                       -2.332334225372898,  0.045246162003847734,
                                       -0.6587798644236726, 1.080788966057638};
    const std::uint32_t key[] = {5, 0, 9, 0};
    double normals[2 * 4];
    normal_panels(key, 7, 2, 3, 4, normals, 0, 2);
    for (int i = 0; i < 6; ++i)
        check(normals[i / 3 * 4 + i % 3] == known[i], "normal number " + std::to_string(i));
    std::vector<std::uint16_t> halves(33 * 17);
    philox_halves({5, 9, 7}, halves.data(), halves.size());
    Panels<float> mask(33, 17, 8);
    dropout_panels(key, 7, 0.25, 33, 17, 8, mask.data.data());
    bool equal = true;
    for (int i = 0; i < 33 * 17; ++i)
        equal &= *mask.at(i / 17, i % 17) == (halves[i] >= 16384 ? 1 / 0.75f : 0.0f);
    check(equal, "dropout mask");
}

void check_team() {
    for (const int threads : {1, 2, 3, 8}) {
        Team team;
        for (int run = 0; run < 20; ++run) {
            std::vector<std::uint64_t> before(threads, 1), after(threads);
            std::atomic<int> flushing{0};
            team.run(threads, [&](int part) noexcept {
                volatile double tiny = std::numeric_limits<double>::min();
                if (tiny / 2 == 0) ++flushing;
                for (int round = 0; round < 50; ++round) {
                    after[part] = before[part] + before[(part + 1) % threads];
                    team.barrier();
                    before[part] = after[part];
                    team.barrier();
                }
            });
            const bool doubled = std::all_of(before.begin(), before.end(),
                                             [](auto n) { return n == std::uint64_t{1} << 50; });
            check(doubled, "barriers of " + std::to_string(threads) + " threads");
            check(flushing == threads, "subnormal numbers count as zero");
        }
    }
}

template <class T>
void check_all() {
    const Kernels<T>* wide;
    if constexpr (std::is_same_v<T, float>)
        wide = &wide::float_table;
    else
        wide = &wide::double_table;
    for (const Kernels<T>* k :
         {kernels<T>("avx512"), kernels<T>("avx2"), kernels<T>("portable"), wide}) {
        if (k == nullptr) continue;
        std::printf("%s %s: vectors of %d\n", k->isa, type_name<T>(), k->vector_width);
        std::mt19937 rng(1);
        check_products(*k, rng);
        check_rows(*k, rng);
        check_functions(*k, rng);
        check_blocks(*k, rng);
        check_runner(*k, rng, 5, 3, 100, 17);
        check_runner(*k, rng, 33, 17, 3000, 1500);  // in slices
        check_runner(*k, rng, 100, 70, 90, 33);     // worth sharing out
    }
}

}  // namespace

int main() {
    check_streams();
    check_team();
    check_all<float>();
    check_all<double>();
    std::printf("%d checks, %d failed\n", checks, failures);
    return failures != 0;
}
