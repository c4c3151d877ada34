// Row-major arrays to matrices in panels (kernels.hpp) and back, and rows of the data by number.
// Rows [first, last) can be done by themselves, so threads may share them out.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

#include "plan.hpp"

namespace chainrule {

// f(data as a pointer to its elements)
template <class F>
void with_elements(const void* data, Element element, F f) {
    switch (element) {
        case Element::float32:
            return f(static_cast<const float*>(data));
        case Element::float64:
            return f(static_cast<const double*>(data));
        case Element::uint8:
            return f(static_cast<const std::uint8_t*>(data));
        case Element::int64:
            return f(static_cast<const std::int64_t*>(data));
    }
}

// f(the panel's width as a constant): copies of a known length are a few instructions.
template <class F>
void with_panel(int panel, F f) {
    switch (panel) {
        case 4:
            return f(std::integral_constant<int, 4>{});
        case 8:
            return f(std::integral_constant<int, 8>{});
        case 16:
            return f(std::integral_constant<int, 16>{});
        case 32:
            return f(std::integral_constant<int, 32>{});
        default:
            throw std::invalid_argument("a panel is 4, 8, 16 or 32 columns wide");
    }
}

// f(column, place, count) for the parts of one row that lie in one panel each: `count` columns from
// `column` on, at `place` from the row's beginning in panel 0. The panels have `rows` rows.
template <int panel, class F>
void each_panel(int rows, int columns, F f) {
    const std::size_t stride = static_cast<std::size_t>(rows) * panel;
    std::size_t place = 0;
    int column = 0;
    for (; column + panel <= columns; column += panel, place += stride)
        f(column, place, std::integral_constant<int, panel>{});
    if (column < columns) f(column, place, columns - column);
}

template <class From, class To, class Count>
void convert(const From* __restrict from, Count count, To* __restrict to) {
    if constexpr (std::is_same_v<Count, int>) {
        // Less than a panel: four at a time, without the long prologue of a vectorized loop.
        for (; count >= 4; count -= 4, from += 4, to += 4)
            for (int i = 0; i < 4; ++i) to[i] = static_cast<To>(from[i]);
#pragma GCC unroll 1
        for (int i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
    } else {
        for (int i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
    }
}

// to, rows × columns in panels ← from, row-major
template <class T>
void to_panels(const T* from, int rows, int columns, int panel, T* to) {
    with_panel(panel, [=](auto width) {
        for (int r = 0; r < rows; ++r)
            each_panel<width>(rows, columns, [=](int column, std::size_t place, auto count) {
                convert(from + static_cast<std::size_t>(r) * columns + column, count,
                        to + static_cast<std::size_t>(r) * width + place);
            });
    });
}

// to, row-major ← from, rows × columns in panels
template <class T>
void from_panels(const T* from, int rows, int columns, int panel, T* to) {
    with_panel(panel, [=](auto width) {
        for (int r = 0; r < rows; ++r)
            each_panel<width>(rows, columns, [=](int column, std::size_t place, auto count) {
                convert(from + static_cast<std::size_t>(r) * width + place, count,
                        to + static_cast<std::size_t>(r) * columns + column);
            });
    });
}

// Rows in random order are out of the hardware prefetcher's sight: ask for their first bytes.
inline void prefetch(const void* row, std::size_t bytes) {
    constexpr std::size_t line = 64, most = 4096;
    for (std::size_t b = 0; b < std::min(bytes, most); b += line)
        __builtin_prefetch(static_cast<const char*>(row) + b);
}

// f(i, row chosen[i]) for i in [first, last) of a row-major array.
template <class From, class F>
void each_row(const From* data, int columns, const std::int64_t* chosen, int first, int last, F f) {
    constexpr int ahead = 2;
    const auto row = [=](int i) { return data + static_cast<std::size_t>(chosen[i]) * columns; };
    for (int i = first; i < last; ++i) {
        if (i + ahead < last) prefetch(row(i + ahead), sizeof(From) * columns);
        f(i, row(i));
    }
}

// Rows [first, last) of `to`, rows × columns in panels ← the rows `chosen` of a row-major array.
// Several rows together, panel by panel, fill whole stretches of `to`, and meanwhile what follows
// of the data, which the hardware cannot foresee, is asked for line by line: three times as fast
// as row after row (784 columns, 60,000 rows).
template <class T>
void gather_panels(const void* data, Element element, int columns, const std::int64_t* chosen,
                   int rows, int panel, T* to, int first, int last) {
    constexpr int together = 8;
    with_elements(data, element, [=](const auto* elements) {
        const auto row = [=](int i) {
            return elements + static_cast<std::size_t>(chosen[std::min(i, last - 1)]) * columns;
        };
        with_panel(panel, [=](auto width) {
            for (int i = first; i < last; i += together) {
                const int count = std::min(together, last - i);
                decltype(elements) from[together], next[together];
                for (int k = 0; k < together; ++k)
                    from[k] = row(i + k), next[k] = row(i + together + k);
                T* const target = to + static_cast<std::size_t>(i) * width;
                each_panel<width>(rows, columns, [&](int column, std::size_t place, auto n) {
                    for (int k = 0; k < count; ++k) {
                        __builtin_prefetch(next[k] + column);
                        convert(from[k] + column, n, target + place + k * width);
                    }
                });
            }
        });
    });
}

template <class T>
void gather_panels(const void* data, Element element, int columns, const std::int64_t* chosen,
                   int rows, int panel, T* to) {
    gather_panels(data, element, columns, chosen, rows, panel, to, 0, rows);
}

// Rows [first, last) of `to`, row-major ← the rows `chosen` of a row-major array
inline void gather_integers(const void* data, Element element, int columns,
                            const std::int64_t* chosen, int first, int last, std::int64_t* to) {
    with_elements(data, element, [=](const auto* elements) {
        each_row(elements, columns, chosen, first, last, [=](int i, const auto* row) {
            convert(row, columns, to + static_cast<std::size_t>(i) * columns);
        });
    });
}

// Elements [first, last) of a column ← the elements `chosen` of an array
template <class T>
void gather_column(const void* data, Element element, const std::int64_t* chosen, int first,
                   int last, T* to) {
    with_elements(data, element, [=](const auto* elements) {
        each_row(elements, 1, chosen, first, last,
                 [=](int i, const auto* row) { to[i] = static_cast<T>(*row); });
    });
}

}  // namespace chainrule
