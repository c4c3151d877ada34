// Philox-4x32-10 streams and what is drawn from them, equal bit for bit to chainrule/random.py,
// whose docstring has the layout (Salmon et al., 2011).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "draw.hpp"

namespace chainrule {

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

// out (n): the words from block `first` on, or their halves (Word: 32 or 16 bits), low half first.
template <class Word>
void philox_words(PhiloxBlocks drawn, const Draw& draw, std::uint64_t first, std::size_t n,
                  Word* out) {
    constexpr std::size_t at_once = 128, of_long = sizeof(std::uint64_t) / sizeof(Word);
    std::array<std::uint64_t, at_once> longs;
    for (std::size_t done = 0; done < n; done += at_once * of_long, first += at_once / 2) {
        const std::size_t count = std::min(at_once * of_long, n - done);
        const std::size_t blocks = (count + 2 * of_long - 1) / (2 * of_long);
        drawn(draw, static_cast<std::uint32_t>(first), blocks, longs.data());
        if constexpr (std::endian::native == std::endian::little)
            std::memcpy(out + done, longs.data(), count * sizeof(Word));
        else
            for (std::size_t i = 0; i < count; ++i)
                out[done + i] =
                    static_cast<Word>(longs[i / of_long] >> (8 * sizeof(Word) * (i % of_long)));
    }
}

// out (n): the row numbers 0 ... n - 1 in random order: keys of random high bits and the row number
// in the low ones, in ascending order. A radix sort by about as many leading bits as n has puts
// nearly every key in its place; one insertion sort over all of them does the rest.
inline void philox_permutation(PhiloxBlocks drawn, const Draw& draw, std::size_t n,
                               std::int64_t* out) {
    if (n == 0) return;
    constexpr int digit_bits = 10;
    constexpr std::size_t digits = std::size_t{1} << digit_bits;
    const int row_bits = std::bit_width(n - 1);
    const std::uint64_t row_mask = (std::uint64_t{1} << row_bits) - 1;
    const int passes = (row_bits + digit_bits - 1) / digit_bits;

    std::vector<std::uint64_t> keys(n + n % 2), sorted(n);
    drawn(draw, 0, keys.size() / 2, keys.data());
    keys.resize(n);
    for (std::size_t row = 0; row < n; ++row) keys[row] = (keys[row] & ~row_mask) | row;
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
