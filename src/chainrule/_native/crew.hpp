// How many threads are worth using just now. A thread that shares its processor with another
// program keeps all others waiting, so fewer threads may be faster. What is computed does not
// depend on how many there are: the number may change between any two steps.
#pragma once
#include <algorithm>
#include <array>
#include <utility>

namespace chainrule {

// Decides by measured times among all threads, half of them, a quarter, ... down to one: stays with
// what was fastest, tries fewer where a step takes longer than it did with fewer, and more from
// time to time.
class Crew {
  public:
    // How many of at most `most` threads take the next piece of work.
    int size(int most) {
        if (most != most_) {
            *this = Crew();
            most_ = most;
        }
        return std::max(1, most_ >> (trying_ >= 0 ? trying_ : level_));
    }

    // A step of that piece took so long, in any unit.
    void learn(double time) {
        if (trying_ >= 0) {
            const int tried = std::exchange(trying_, -1);
            times_[tried] = time;
            if (time < 0.95 * times_[level_]) {
                level_ = tried;
                patience_ = least_patience;
            } else if (tried < level_) {
                patience_ = std::min(2 * patience_, most_patience);
            }
            const bool all_seen = most_ >> tried <= 1 || tried + 1 >= levels;
            left_ = !all_seen && times_[tried + 1] == 0 ? 1
                    : level_ > 0                        ? patience_
                                                        : least_patience;
            return;
        }
        times_[level_] = time;
        if (--left_ > 0) return;
        int best = level_;  // of fewer threads; what was never seen comes first
        for (int fewer = level_ + 1; fewer < levels && most_ >> fewer > 0; ++fewer)
            if (times_[fewer] < times_[best]) best = fewer;
        if (best > level_)
            trying_ = best;
        else if (level_ > 0)
            trying_ = level_ - 1;
    }

  private:
    static constexpr int levels = 10;
    static constexpr int least_patience = 3, most_patience = 64;  // pieces between two trials

    int most_ = 0;
    int level_ = 0, trying_ = -1;  // most >> level threads work
    int patience_ = least_patience, left_ = least_patience;
    std::array<double, levels> times_{};  // at each level when last seen, 0 where never
};

}  // namespace chainrule
