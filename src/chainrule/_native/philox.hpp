// Philox-4x32-10 streams and what is drawn from them, equal bit for bit to chainrule/random.py,
// whose docstring has the layout (Salmon et al., 2011).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace chainrule {

// A draw: the seed is the key; counter and stream fill the upper three words of Philox's counter.
struct Draw {
    std::uint64_t seed;
    std::uint64_t counter;
    std::uint32_t stream;
};

// The four words of one block of a draw.
inline std::array<std::uint32_t, 4> philox_block(const Draw& draw, std::uint32_t block) {
    std::uint32_t c0 = block;
    std::uint32_t c1 = static_cast<std::uint32_t>(draw.counter);
    std::uint32_t c2 = static_cast<std::uint32_t>(draw.counter >> 32);
    std::uint32_t c3 = draw.stream;
    std::uint32_t k0 = static_cast<std::uint32_t>(draw.seed);
    std::uint32_t k1 = static_cast<std::uint32_t>(draw.seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0;
        const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2;
        c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
        c1 = static_cast<std::uint32_t>(p1);
        c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c3 = static_cast<std::uint32_t>(p0);
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    return {c0, c1, c2, c3};
}

// out (n): the first n 32-bit words of the draw.
inline void philox_words(const Draw& draw, std::uint32_t* out, std::size_t n) {
    const std::size_t whole = n / 4;
    for (std::size_t b = 0; b < whole; ++b) {
        const auto block = philox_block(draw, static_cast<std::uint32_t>(b));
        std::copy(block.begin(), block.end(), out + 4 * b);
    }
    if (n % 4 != 0) {
        const auto block = philox_block(draw, static_cast<std::uint32_t>(whole));
        std::copy_n(block.begin(), n % 4, out + 4 * whole);
    }
}

// out (n): the first n 16-bit numbers, each word's low half first.
inline void philox_halves(const Draw& draw, std::uint16_t* out, std::size_t n) {
    for (std::size_t start = 0; start < n; start += 8) {
        const auto block = philox_block(draw, static_cast<std::uint32_t>(start / 8));
        const std::size_t stop = std::min<std::size_t>(8, n - start);
        for (std::size_t i = 0; i < stop; ++i) {
            out[start + i] = static_cast<std::uint16_t>(block[i / 2] >> (16 * (i % 2)));
        }
    }
}

// out (n): the row numbers 0 ... n - 1 in random order: keys of random high bits and the row number
// in the low ones, in ascending order. A radix sort by about as many leading bits as n has puts
// nearly every key in its place; one insertion sort over all of them does the rest.
inline void philox_permutation(const Draw& draw, std::int64_t* out, std::size_t n) {
    if (n == 0) return;
    constexpr int digit_bits = 10;
    constexpr std::size_t digits = std::size_t{1} << digit_bits;
    const int row_bits = std::bit_width(n - 1);
    const std::uint64_t row_mask = (std::uint64_t{1} << row_bits) - 1;
    const int passes = (row_bits + digit_bits - 1) / digit_bits;

    std::vector<std::uint64_t> keys(n), sorted(n);
    for (std::size_t row = 0; row < n; row += 2) {
        const auto block = philox_block(draw, static_cast<std::uint32_t>(row / 2));
        const std::uint64_t first = std::uint64_t{block[1]} << 32 | block[0];
        const std::uint64_t second = std::uint64_t{block[3]} << 32 | block[2];
        keys[row] = (first & ~row_mask) | row;
        if (row + 1 < n) keys[row + 1] = (second & ~row_mask) | (row + 1);
    }
    for (int shift = 64 - passes * digit_bits; shift < 64; shift += digit_bits) {
        std::array<std::size_t, digits> place{};
        for (const std::uint64_t key : keys) ++place[(key >> shift) % digits];
        std::exclusive_scan(place.begin(), place.end(), place.begin(), std::size_t{0});
        for (const std::uint64_t key : keys) sorted[place[(key >> shift) % digits]++] = key;
        keys.swap(sorted);
    }
    for (std::size_t i = 1; i < n; ++i) {
        const std::uint64_t key = keys[i];
        std::size_t j = i;
        for (; j > 0 && keys[j - 1] > key; --j) keys[j] = keys[j - 1];
        keys[j] = key;
    }
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::int64_t>(keys[i] & row_mask);
}

}  // namespace chainrule
