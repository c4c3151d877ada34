// What names a draw of random numbers (chainrule/random.py has the layout).
#pragma once
#include <cstddef>
#include <cstdint>

namespace chainrule {

// A draw: the seed is the key; counter and stream fill the upper three words of Philox's counter.
struct Draw {
    std::uint64_t seed;
    std::uint64_t counter;
    std::uint32_t stream;
};

// longs (2 × blocks): words 0 and 1 of each block from `first` on, the low half first, then words 2
// and 3. Each instruction set has a kernel for it.
using PhiloxBlocks = void (*)(const Draw& draw, std::uint32_t first, std::size_t blocks,
                              std::uint64_t* longs);

}  // namespace chainrule
