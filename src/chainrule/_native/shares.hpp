// How the units of an instruction's work are divided.
#pragma once
#include <cstdint>

namespace chainrule {

// Units [begin, end) of `count` for one part of `parts`.
struct Share {
    int begin, end;
    Share(int count, int part, int parts)
        : begin(static_cast<int>(static_cast<std::int64_t>(count) * part / parts)),
          end(static_cast<int>(static_cast<std::int64_t>(count) * (part + 1) / parts)) {}
};

// How many times `unit` covers n.
constexpr int rounded_up(int n, int unit) { return (n + unit - 1) / unit; }

}  // namespace chainrule
