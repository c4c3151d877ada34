// What the checks share: counting them, matrices in rows and in panels, and bounds.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels.hpp"
#include "panels.hpp"

namespace chainrule::checks {

using Wide = long double;  // at least double: 113 bits on arm64, 64 on x86-64

inline int checks = 0, failures = 0;

inline void check(bool holds, const std::string& what) {
    ++checks;
    if (holds) return;
    if (++failures <= 20) std::printf("FAILED %s\n", what.c_str());
}

// What is run for each instruction set; `rng` is seeded alike for all.
template <class T>
void check_products(const Kernels<T>& k, std::mt19937& rng);
template <class T>
void check_rows(const Kernels<T>& k, std::mt19937& rng);
template <class T>
void check_elementwise(const Kernels<T>& k, std::mt19937& rng);
template <class T>
void check_runner(const Kernels<T>& k, std::mt19937& rng);
template <class T>
void check_draws(const Kernels<T>& k);
// Two instruction sets with fused multiply-adds: the same bits, but where the length of vectors
// decides the order of a sum.
template <class T>
void check_same_products(const Kernels<T>& one, const Kernels<T>& other, std::mt19937& rng);
template <class T>
void check_same_elements(const Kernels<T>& one, const Kernels<T>& other, std::mt19937& rng);
// Whether this set's multiply_add rounds once.
template <class T>
bool fuses(const Kernels<T>& k);

void check_streams();
void check_panels();
void check_team();
void check_tiles();

inline constexpr int lengths[] = {0, 1, 2, 3, 7, 12, 15, 16, 17, 31, 32, 33, 65};

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

// Equal, or both no number; 0 and −0 are told apart.
template <class T>
bool same(T a, T b) {
    return (a == b && std::signbit(a) == std::signbit(b)) || (std::isnan(a) && std::isnan(b));
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](T x, T y) { return same(x, y); });
}

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

}  // namespace chainrule::checks
