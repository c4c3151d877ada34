// Streams, panels and threads: what is the same for every instruction set.
#include <atomic>

#include "checks.hpp"
#include "noise.hpp"
#include "philox.hpp"
#include "team.hpp"

namespace chainrule::checks {
namespace {

constexpr std::uint32_t key[] = {5, 0, 9, 0};  // a seed and a counter

template <class T>
void check_panels_of(int panel) {
    const std::string where = std::string(type_name<T>()) + " panels of " + std::to_string(panel);
    std::mt19937 rng(1);
    for (const int columns : lengths) {
        constexpr int rows = 33;
        const auto m = drawn<T>(rng, rows, columns);
        Panels<T> whole(m, panel), chosen(rows, columns, panel);
        std::vector<T> back(m.data.size());
        from_panels(whole.data.data(), rows, columns, panel, back.data());
        check(back == m.data, where + ": there and back");
        std::vector<std::int64_t> order(rows);
        for (int i = 0; i < rows; ++i) order[i] = (i * 7) % rows;
        const Element element = std::is_same_v<T, float> ? Element::float32 : Element::float64;
        for (const auto& [first, last] : {std::pair{0, 10}, std::pair{10, rows}}) {
            gather_panels(m.data.data(), element, columns, order.data(), rows, panel,
                          chosen.data.data(), first, last);
        }
        bool gathered = true;
        for (int i = 0; i < rows; ++i)
            for (int j = 0; j < columns; ++j) {
                gathered &= *chosen.at(i, j) == m(static_cast<int>(order[i]), j);
            }
        check(gathered, where + ": rows by number");
    }
}

}  // namespace

template <class T>
void check_draws(const Kernels<T>& k) {
    const Draw draw{0x299f31d0a4093822, 0x13198a2e85a308d3, 0x03707344};
    for (const std::uint32_t first :
         {0u, 7u, 0xfffffff0u})  // the block's number begins anew at 2³²
        for (std::size_t count = 0; count < 70; ++count) {
            std::vector<std::uint64_t> longs(2 * count);
            k.philox(draw, first, count, longs.data());
            bool alike = true;
            for (std::size_t i = 0; i < count; ++i) {
                const auto words = philox_block(draw, static_cast<std::uint32_t>(first + i));
                alike &= longs[2 * i] == (words[0] | std::uint64_t{words[1]} << 32) &&
                         longs[2 * i + 1] == (words[2] | std::uint64_t{words[3]} << 32);
            }
            check(alike, about(k, "philox", static_cast<int>(count)));
        }
    for (const int columns : {1, 5, 16, 33, 512, 513, 1100}) {
        constexpr int rows = 9;
        Panels<T> mask(rows, columns, k.panel_width);
        for (const auto& [first, last] : {std::pair{0, 4}, std::pair{4, rows}})
            dropout_panels(k, key, 7, 0.25, rows, columns, mask.data.data(), first, last);
        bool masked = true;
        for (int i = 0; i < rows * columns; ++i) {
            const auto word = philox_word({5, 9, 7}, static_cast<std::uint64_t>(i) / 2);
            const bool kept = (word >> (16 * (i % 2)) & 0xffff) >= 16384;
            masked &=
                *mask.at(i / columns, i % columns) == (kept ? static_cast<T>(1 / 0.75) : T(0));
        }
        check(masked, about(k, "dropout mask", columns));
    }
    // What chainrule.random.normal(5, 9, 7, 6) gives.
    static constexpr double known[] = {0.3048341022465609,  -1.3670883802096567,
                                       -2.332334225372898,  0.045246162003847734,
                                       -0.6587798644236726, 1.080788966057638};
    Panels<T> normals(2, 3, k.panel_width);
    normal_panels(k, key, 7, 2, 3, normals.data.data(), 0, 2);
    for (int i = 0; i < 6; ++i)
        check(*normals.at(i / 3, i % 3) == static_cast<T>(known[i]), about(k, "normal number", i));
}

template void check_draws(const Kernels<float>&);
template void check_draws(const Kernels<double>&);

void check_streams() {
    std::uint32_t words[4];
    const PhiloxBlocks blocks = kernels<float>("portable")->philox;
    philox_words(blocks, {0x299f31d0a4093822, 0x13198a2e85a308d3, 0x03707344}, 0, 4, words);
    // philox4x32-10's published answer for counter 243f6a88 … is at block 0x243f6a88.
    const auto block =
        philox_block({0x299f31d0a4093822, 0x13198a2e85a308d3, 0x03707344}, 0x243f6a88);
    check(block == std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
          "philox: the published answer");
    const auto first = philox_block({0x299f31d0a4093822, 0x13198a2e85a308d3, 0x03707344}, 0);
    check(std::equal(first.begin(), first.end(), words), "philox words");
    std::vector<std::int64_t> rows(1000);
    philox_permutation(blocks, {1, 2, 3}, rows.size(), rows.data());
    std::sort(rows.begin(), rows.end());
    bool all = true;
    for (int i = 0; i < 1000; ++i) all &= rows[i] == i;
    check(all, "permutation");
}

void check_panels() {
    for (const int panel : {4, 8, 16, 32}) {
        check_panels_of<float>(panel);
        check_panels_of<double>(panel);
    }
}

void check_team() {
    for (const int threads : {1, 2, 3, 8}) {
        Team team;
        for (int run = 0; run < 20; ++run) {
            std::vector<std::uint64_t> before(threads, 1), after(threads);
            std::atomic<int> flushing{0};
            team.run(threads, [&](int part) noexcept {
                volatile double tiny = std::numeric_limits<double>::min();
                if (tiny / 2 == 0) ++flushing;
                for (int round = 0; round < 50; ++round) {
                    after[part] = before[part] + before[(part + 1) % threads];
                    team.barrier();
                    before[part] = after[part];
                    team.barrier();
                }
            });
            const bool doubled = std::all_of(before.begin(), before.end(),
                                             [](auto n) { return n == std::uint64_t{1} << 50; });
            check(doubled, "barriers of " + std::to_string(threads) + " threads");
            check(flushing == threads, "subnormal numbers count as zero");
        }
    }
}

}  // namespace chainrule::checks
