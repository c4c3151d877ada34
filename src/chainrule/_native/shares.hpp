// How the units of an instruction's work are divided.
#pragma once
#include <algorithm>
#include <cstdint>

namespace chainrule {

// Units [begin, end) of `count` for one part of `parts`. (Here and below what needs no division
// does without: a step of a small network is a hundred of them.)
struct Share {
    int begin, end;
    Share(int begin, int end) : begin(begin), end(end) {}
    Share(int count, int part, int parts) : begin(0), end(count) {
        if (parts == 1) return;
        begin = static_cast<int>(static_cast<std::int64_t>(count) * part / parts);
        end = static_cast<int>(static_cast<std::int64_t>(count) * (part + 1) / parts);
    }

    int size() const { return end - begin; }

    // Of its pieces, `length` units each, that number.
    Share piece(int number, int length) const {
        Share made = *this;
        const std::int64_t from = begin + static_cast<std::int64_t>(number) * length;
        made.begin = static_cast<int>(std::min<std::int64_t>(end, from));
        made.end = static_cast<int>(std::min<std::int64_t>(end, from + length));
        return made;
    }
};

// How many times `unit` covers n.
constexpr int rounded_up(int n, int unit) {
    return n <= unit ? n > 0 : static_cast<int>((static_cast<unsigned>(n) + unit - 1) / unit);
}

// f(first, rows) for tiles of about equal height, at most `most` rows.
template <class F>
void each_tile(int rows, int most, F f) {
    const int tiles = rounded_up(rows, most);
    if (tiles == 0) return;
    if (tiles == 1) return f(0, rows);
    const int height = rows / tiles, higher = rows % tiles;
    for (int i = 0, first = 0; i < tiles; ++i) {
        const int n = i < higher ? height + 1 : height;
        f(first, n);
        first += n;
    }
}

}  // namespace chainrule
