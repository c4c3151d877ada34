// The shuffle of numpy.random.RandomState, equal number for number, several times sooner.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace chainrule {

// A source of random bits, laid out as NumPy's bitgen_t (numpy/random/bitgen.h).
struct BitGenerator {
    void* state;
    std::uint64_t (*next_uint64)(void*);
    std::uint32_t (*next_uint32)(void*);
    double (*next_double)(void*);
    std::uint64_t (*next_raw)(void*);
};

// From the last row to the second, each changes places with one at most as far on: the next word,
// cut to as many bits as that has, that is no larger. Nothing branches on whether it is, which
// would be guessed wrong every third time: a row changes places with itself where it is not.
inline void shuffle(const BitGenerator& generator, std::int64_t* rows, std::uint32_t n) {
    for (std::uint32_t last = n - 1; n > 1 && last > 0;) {
        const std::uint32_t mask = ~std::uint32_t{0} >> std::countl_zero(last);
        const std::uint32_t floor = mask >> 1;  // down to which the mask is the same
        while (last > floor) {
            const std::uint32_t drawn = generator.next_uint32(generator.state) & mask;
            const bool taken = drawn <= last;
            const std::uint32_t other = taken ? drawn : last;
            std::swap(rows[last], rows[other]);
            last -= taken;
        }
    }
}

}  // namespace chainrule
