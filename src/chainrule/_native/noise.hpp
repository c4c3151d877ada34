// Random operations: dropout masks, normal numbers, and images mirrored or moved, in panels
// (kernels.hpp). Every bit is that of chainrule/random.py and chainrule/ops/noise.py, on every
// instruction set. `key` holds the seed, low word and high, and the counter, low and high. Rows
// [first, last) can be done by themselves; row 0 is row `begins` of what the draw is for.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels.hpp"
#include "panels.hpp"
#include "philox.hpp"

namespace chainrule {

inline Draw draw_of(const std::uint32_t* key, std::uint32_t stream) {
    return {key[0] | std::uint64_t{key[1]} << 32, key[2] | std::uint64_t{key[3]} << 32, stream};
}

// f(row, rows, column, columns) for parts of rows [first, last) with at most `most` elements: some
// whole rows, or a piece of one.
template <class F>
void each_part(int first, int last, int columns, int most, F f) {
    const int at_once = std::max(1, most / std::max(1, columns));
    for (int row = first; row < last; row += at_once)
        for (int column = 0; column < columns; column += most)
            f(row, std::min(at_once, last - row), column, std::min(most, columns - column));
}

inline constexpr int drawn_at_once = 512;  // elements; whole panels

// Rows [first, last) of a dropout mask of rows × columns in panels: 1/(1 − rate), or 0 for element
// i in C order where half i of the draw is below round(rate·65536).
template <class T>
void dropout_panels(const Kernels<T>& kernels, const std::uint32_t* key, std::uint32_t stream,
                    double rate, int rows, int columns, T* to, int first, int last,
                    int begins = 0) {
    constexpr int of_block = 8, widest_panel = 32;
    const Draw draw = draw_of(key, stream);
    const auto threshold = static_cast<int>(std::nearbyint(rate * 65536));  // a half to even
    const T kept = static_cast<T>(1.0 / (1.0 - rate));
    const auto panel = static_cast<std::size_t>(kernels.panel_width), stride = rows * panel;
    std::array<std::uint16_t, drawn_at_once + of_block + widest_panel> halves{};
    each_part(first, last, columns, drawn_at_once, [&](int row, int count, int column, int width) {
        const std::uint64_t element = (static_cast<std::uint64_t>(begins) + row) * columns + column;
        const auto skipped = static_cast<int>(element % of_block);
        philox_words(kernels.philox, draw, element / of_block, skipped + count * width,
                     halves.data());
        for (int i = 0; i < count; ++i)
            kernels.mask(halves.data() + skipped + i * width, width, threshold, kept,
                         to + (row + i) * panel + static_cast<std::size_t>(column) * rows, stride);
    });
}

// Rows [first, last) of to, rows × columns in panels ← normal numbers
template <class T>
void normal_panels(const Kernels<T>& kernels, const std::uint32_t* key, std::uint32_t stream,
                   int rows, int columns, T* to, int first, int last, int begins = 0) {
    constexpr int of_block = 2, widest_vector = 8;
    const Draw draw = draw_of(key, stream);
    std::array<std::uint64_t, drawn_at_once + of_block * widest_vector> longs{};
    std::array<double, drawn_at_once + of_block * widest_vector> numbers;
    with_panel(kernels.panel_width, [&](auto panel) {
        each_part(first, last, columns, drawn_at_once,
                  [&](int row, int count, int column, int width) {
                      const std::uint64_t element =
                          (static_cast<std::uint64_t>(begins) + row) * columns + column;
                      const auto skipped = static_cast<int>(element % of_block);
                      const int pairs = (skipped + count * width + 1) / of_block;
                      kernels.philox(draw, static_cast<std::uint32_t>(element / of_block), pairs,
                                     longs.data());
                      kernels.normals(longs.data(), pairs, numbers.data());
                      for (int i = 0; i < count; ++i)
                          each_panel<panel>(rows, width, [&](int from, std::size_t place, auto n) {
                              convert(numbers.data() + skipped + i * width + from, n,
                                      to + static_cast<std::size_t>(row + i) * panel +
                                          static_cast<std::size_t>(column) * rows + place);
                          });
                  });
    });
}

// Images of height × width × channels, each a row of a matrix.
struct ImageShape {
    int height, width, channels;
};

// Word i of a draw.
inline std::uint32_t philox_word(const Draw& draw, std::uint64_t i) {
    return philox_block(draw, static_cast<std::uint32_t>(i / 4))[i % 4];
}

// to(i, j, channel) ← from(row_of(i), column_of(j), channel) of one image, 0 where that is outside.
template <int panel, class T, class Rows, class Columns>
void move_pixels(const T* from, const ImageShape& shape, int rows, T* to, Rows row_of,
                 Columns column_of) {
    const auto place = [=](int element) {
        return static_cast<std::size_t>(element / panel) * rows * panel + element % panel;
    };
    int target = 0;
    for (int i = 0; i < shape.height; ++i) {
        const int row = row_of(i);
        const bool row_inside = row >= 0 && row < shape.height;
        for (int j = 0; j < shape.width; ++j) {
            const int column = column_of(j);
            const bool inside = row_inside && column >= 0 && column < shape.width;
            const int source = inside ? (row * shape.width + column) * shape.channels : 0;
            for (int channel = 0; channel < shape.channels; ++channel, ++target)
                to[place(target)] = inside ? from[place(source + channel)] : T(0);
        }
    }
}

// Each image mirrored along `axis` (1: upside down, 2: left and right) where the low half of its
// word is at least 32768.
template <class T>
void flip_panels(const std::uint32_t* key, std::uint32_t stream, const ImageShape& shape, int axis,
                 const T* from, int rows, int panel, T* to, int first, int last, int begins = 0) {
    const Draw draw = draw_of(key, stream);
    with_panel(panel, [=](auto width) {
        for (int r = first; r < last; ++r) {
            const std::size_t start = static_cast<std::size_t>(r) * width;
            const std::uint32_t word = philox_word(draw, static_cast<std::uint64_t>(begins) + r);
            const bool flipped = (word & 0xffff) >= 32768;
            const auto along = [=](int which, int size) {
                return [=](int i) { return flipped && axis == which ? size - 1 - i : i; };
            };
            move_pixels<width>(from + start, shape, rows, to + start, along(1, shape.height),
                               along(2, shape.width));
        }
    });
}

// Each image moved by up to ±down rows and ±right columns, as the halves of its word say, zeros
// moving in; moved back where `reverse`.
template <class T>
void shift_panels(const std::uint32_t* key, std::uint32_t stream, const ImageShape& shape, int down,
                  int right, bool reverse, const T* from, int rows, int panel, T* to, int first,
                  int last, int begins = 0) {
    const Draw draw = draw_of(key, stream);
    with_panel(panel, [=](auto width) {
        for (int r = first; r < last; ++r) {
            const std::size_t start = static_cast<std::size_t>(r) * width;
            const std::uint32_t word = philox_word(draw, static_cast<std::uint64_t>(begins) + r);
            const auto by = [=](std::uint32_t half, int most) {
                const auto choices = 2 * static_cast<std::uint32_t>(most) + 1;
                const int drawn = static_cast<int>(half * choices >> 16) - most;
                return [=](int i) { return reverse ? i + drawn : i - drawn; };
            };
            move_pixels<width>(from + start, shape, rows, to + start, by(word & 0xffff, down),
                               by(word >> 16, right));
        }
    });
}

}  // namespace chainrule
