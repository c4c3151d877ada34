// Random operations beside dropout: normal numbers, and images mirrored or moved, in panels
// (kernels.hpp). Every bit is that of chainrule/random.py and chainrule/ops/noise.py, on every
// instruction set. `key` holds the seed, low word and high, and the counter, low and high. Rows
// [first, last) can be done by themselves; row 0 is row `begins` of what the draw is for.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "panels.hpp"
#include "philox.hpp"

namespace chainrule {

inline Draw draw_of(const std::uint32_t* key, std::uint32_t stream) {
    return {key[0] | std::uint64_t{key[1]} << 32, key[2] | std::uint64_t{key[3]} << 32, stream};
}

// c₀ + c₁ x + c₂ x² + …
template <int n>
double unfused_polynomial(const double (&c)[n], double x) {
    double sum = c[n - 1];
    for (int k = n - 2; k >= 0; --k) sum = sum * x + c[k];
    return sum;
}

// ln x for x in (0, 1].
inline double unfused_log(double x) {
    static constexpr double c[] = {0.6666666666666735, 0.39999999999412894, 0.28571428742823307,
                                   0.2222219852475268, 0.18183567024972722, 0.15313977088477038,
                                   0.14796726977216607};
    constexpr double root_half = 0.7071067811865476;
    constexpr double ln2 = 0.6931471805598903, ln2_low = 5.497923018708371e-14;
    const auto bits = std::bit_cast<std::uint64_t>(x);
    int exponent = static_cast<int>(bits >> 52) - 1022;
    double fraction = std::bit_cast<double>((bits & ((std::uint64_t{1} << 52) - 1)) |
                                            std::uint64_t{1022} << 52);  // in [½, 1)
    if (fraction < root_half) {
        fraction *= 2;
        --exponent;
    }
    const double f = fraction - 1, e = exponent;
    const double s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    const double rest = s * (z * unfused_polynomial(c, z) + half) + e * ln2_low;
    return e * ln2 + (f - (half - rest));
}

struct Pair {
    double first, second;
};

// Two normal numbers from the four words of a block.
inline Pair normal_pair(const std::array<std::uint32_t, 4>& words) {
    static constexpr double sine_of[] = {1.5707963267948966,    -0.6459640975062443,
                                         0.07969262624603957,   -0.004681754132282415,
                                         0.0001604411502916307, -3.5986417543874945e-06,
                                         5.6337210053764296e-08};
    static constexpr double cosine_of[] = {-1.2337005501361697,    0.25366950790104736,
                                           -0.020863480763324355,  0.0009192602743150056,
                                           -2.52020374662165e-05,  4.7106282674575917e-07,
                                           -6.3232248772507335e-09};
    const auto uniform = [&](int i) {
        const std::uint64_t both = words[i] | std::uint64_t{words[i + 1]} << 32;
        return static_cast<double>(static_cast<std::int64_t>(both >> 11)) * 0x1p-53;
    };
    const double radius = std::sqrt(-2.0 * unfused_log(1.0 - uniform(0)));
    const double turns = 4.0 * uniform(2);
    const int quarter = static_cast<int>(turns + 0.5);  // nearest
    const double r = turns - quarter, z = r * r;
    const double cosine = 1.0 + z * unfused_polynomial(cosine_of, z);
    const double sine = r * unfused_polynomial(sine_of, z);
    const bool swapped = quarter & 1;
    const double c = swapped ? sine : cosine, s = swapped ? cosine : sine;
    return {radius * ((quarter + 1) & 2 ? -c : c), radius * (quarter & 2 ? -s : s)};
}

// Rows [first, last) of to, rows × columns in panels ← normal numbers
template <class T>
void normal_panels(const std::uint32_t* key, std::uint32_t stream, int rows, int columns, int panel,
                   T* to, int first, int last, int begins = 0) {
    const Draw draw = draw_of(key, stream);
    with_panel(panel, [=](auto width) {
        const auto place = [=](int r, int column) {
            return (static_cast<std::size_t>(column / width) * rows + r) * width + column % width;
        };
        for (int r = first; r < last; ++r) {
            // Row r begins at an odd element where the one before it took half a pair.
            const std::uint64_t begin = (static_cast<std::uint64_t>(begins) + r) * columns;
            std::uint64_t pair = begin / 2;
            for (int column = -static_cast<int>(begin % 2); column < columns; column += 2, ++pair) {
                const Pair drawn =
                    normal_pair(philox_block(draw, static_cast<std::uint32_t>(pair)));
                if (column >= 0) to[place(r, column)] = static_cast<T>(drawn.first);
                if (column + 1 < columns) to[place(r, column + 1)] = static_cast<T>(drawn.second);
            }
        }
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
