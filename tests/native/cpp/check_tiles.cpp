// Products on tiles of bfloat16 against plain loops: AMX where the machine has it, and everywhere
// the loops that stand in for it, which share all but the multiplication.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "checks.hpp"
#include "runner.hpp"

namespace chainrule::wide {  // wide.cpp
extern const Kernels<float> float_table;
extern const Bfloat16Tiles tiles;
}  // namespace chainrule::wide

namespace chainrule::checks {
namespace {

using Real = Matrix<float>;

// To the nearest number of 8 significant bits, the even one of two.
float rounded(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if (x != x) return x;
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    std::memcpy(&x, &bits, sizeof bits);
    return x;
}

Real turned(const Real& m) {
    Real made(m.columns, m.rows);
    for (int i = 0; i < m.rows; ++i)
        for (int j = 0; j < m.columns; ++j) made(j, i) = m(i, j);
    return made;
}

// a b, each factor given as it is or turned, in two parts that meet after `cut` steps.
Real product(const Bfloat16Tiles& tiles, const Real& a, bool a_turned, const Real& b, bool b_turned,
             int cut = 0) {
    constexpr int side = tile_side;
    const int depth = a.columns, steps = (depth + tile_depth - 1) / tile_depth;
    Panels<float> left(a_turned ? turned(a) : a, side), right(b_turned ? turned(b) : b, side);
    Panels<float> out(a.rows, b.columns, side);
    std::vector<std::uint32_t> words[2];
    for (auto& w : words) w.assign((steps + 1) * std::size_t{tile_step}, 0x7fc07fc0);
    tiles.begin();
    for (int column = 0; column < b.columns; column += side)
        for (int row = 0; row < a.rows; row += side) {
            const int rows = std::min(side, a.rows - row);
            const int columns = std::min(side, b.columns - column);
            if (a_turned)
                tiles.pack_columns(left.at(0, row), depth, true, words[0].data());
            else
                tiles.pack_rows(left.at(row, 0), std::size_t{side} * a.rows, rows, depth, true,
                                words[0].data());
            if (b_turned)
                tiles.pack_rows(right.at(column, 0), std::size_t{side} * b.columns, columns, depth,
                                false, words[1].data());
            else
                tiles.pack_columns(right.at(0, column), depth, false, words[1].data());
            const int first = std::min(cut, steps), vectors = columns > side / 2 ? 2 : 1;
            if (first > 0)
                tiles.multiply(words[0].data(), words[1].data(), first, rows, vectors, false,
                               out.at(row, column));
            tiles.multiply(words[0].data() + first * tile_step, words[1].data() + first * tile_step,
                           steps - first, rows, vectors, first > 0, out.at(row, column));
        }
    tiles.end();
    Real made(a.rows, b.columns);
    from_panels(out.data.data(), made.rows, made.columns, side, made.data.data());
    return made;
}

bool is_product(const Real& got, const Real& a, const Real& b) {
    for (int i = 0; i < got.rows; ++i)
        for (int j = 0; j < got.columns; ++j) {
            double sum = 0, size = 0;
            for (int k = 0; k < a.columns; ++k) {
                const double term = double{rounded(a(i, k))} * rounded(b(k, j));
                sum += term, size += std::fabs(term);
            }
            const double bound = (a.columns + 1) * std::numeric_limits<float>::epsilon() * size;
            if (!(std::fabs(got(i, j) - sum) <= bound)) return false;
        }
    return true;
}

void check_shapes(const Kernels<float>& k, std::mt19937& rng) {
    for (const int rows : {0, 1, 2, 15, 16, 17, 31, 32, 33, 50})
        for (const int depth : {0, 1, 2, 3, 16, 31, 32, 33, 70})
            for (const int columns : {1, 15, 16, 17, 32, 33, 65}) {
                const auto a = drawn<float>(rng, rows, depth),
                           b = drawn<float>(rng, depth, columns);
                const auto nn = product(*k.tiles, a, false, b, false);
                check(is_product(nn, a, b), about(k, "tiles nn", rows, depth, columns));
                check(product(*k.tiles, a, false, b, true).data == nn.data,
                      about(k, "tiles nt", rows, depth, columns));
                check(product(*k.tiles, a, true, b, false).data == nn.data,
                      about(k, "tiles tn", rows, depth, columns));
                check(product(*k.tiles, a, false, b, false, 1).data == nn.data,
                      about(k, "tiles nn in parts", rows, depth, columns));
            }
}

// An element is the same in every tile it may fall in, whatever stands beside it.
void check_places(const Kernels<float>& k, std::mt19937& rng) {
    const auto a = drawn<float>(rng, 37, 77), b = drawn<float>(rng, 77, 41);
    const auto all = product(*k.tiles, a, false, b, false);
    bool same = true;
    for (int i = 0; i < a.rows; i += 3)
        for (int j = 0; j < b.columns; j += 4) {
            Real row(1, a.columns), column(b.rows, 1);
            for (int s = 0; s < a.columns; ++s) row(0, s) = a(i, s), column(s, 0) = b(s, j);
            same &= product(*k.tiles, row, false, column, false)(0, 0) == all(i, j);
        }
    check(same, about(k, "tiles: an element alone"));
}

void check_special(const Kernels<float>& k) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    const float numbers[] = {1,
                             1 + 0x1p-8f,
                             1 + 3 * 0x1p-8f,
                             1 + 0x1p-8f + 0x1p-20f,
                             -3.14159f,
                             1e-30f,
                             std::numeric_limits<float>::max(),
                             inf,
                             -inf,
                             std::numeric_limits<float>::quiet_NaN()};
    constexpr int n = std::size(numbers);
    Real x(n, 1), one(1, 1);
    std::copy(std::begin(numbers), std::end(numbers), x.data.begin());
    one(0, 0) = 1;
    const auto left = product(*k.tiles, x, false, one, false);
    const auto right = product(*k.tiles, one, false, turned(x), false);
    for (int i = 0; i < n; ++i) {
        check(same(left(i, 0), rounded(numbers[i])), about(k, "tiles round, left", i));
        check(same(right(0, i), rounded(numbers[i])), about(k, "tiles round, right", i));
    }
    // A NaN stays in its row and column.
    Real a(20, 40), b(40, 40);
    std::fill(a.data.begin(), a.data.end(), 1.0f), std::fill(b.data.begin(), b.data.end(), 1.0f);
    a(3, 5) = b(7, 30) = std::numeric_limits<float>::quiet_NaN();
    const auto c = product(*k.tiles, a, false, b, false);
    bool inside = true;
    for (int i = 0; i < c.rows; ++i)
        for (int j = 0; j < c.columns; ++j)
            inside &= same(c(i, j), i == 3 || j == 30 ? a(3, 5) : 40.0f);
    check(inside, about(k, "tiles: NaN stays in its row and column"));
}

// The child of a fork multiplies as its parent does, which goes on afterwards.
void check_fork(const Kernels<float>& k, std::mt19937& rng) {
    const auto a = drawn<float>(rng, 33, 65), b = drawn<float>(rng, 65, 17);
    const auto before = product(*k.tiles, a, false, b, false);
    const pid_t child = fork();
    if (child == 0) _exit(product(*k.tiles, a, false, b, false).data == before.data ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    check(child > 0 && status == 0, about(k, "tiles in the child of a fork"));
    check(product(*k.tiles, a, false, b, false).data == before.data,
          about(k, "tiles after a fork"));
}

// Steps of y ≈ x V W by gradient descent, against loops, and with 1, 2, 3 and 8 threads.
void check_steps(const Kernels<float>& k, std::mt19937& rng, int features, int hidden, int outputs,
                 int rows, int batch, bool kept) {
    enum { x_at, y_at, v_at, w_at, rate_at, h_at, e_at, d_at };
    const auto product = [](Opcode op, int a, int b, int out, int read, Micro micro, int written) {
        Instruction made;
        made.op = op, made.a = a, made.b = b, made.out = out;
        if (read < 0) return made;
        made.operands = {-1, read, written, rate_at};
        made.spreads = {Spread::full, Spread::full, Spread::full, Spread::scalar};
        MicroOp code{};
        code.op = micro, code.dst = 2;
        const bool update = micro == Micro::descend;  // w − rate g
        code.sources[0] = update, code.sources[1] = !update, code.sources[2] = 3;
        made.code = {code};
        return made;
    };
    constexpr Micro none = Micro::copy;
    Plan plan;
    plan.buffers = {{Layout::matrix, batch_rows, features},
                    {Layout::matrix, batch_rows, outputs},
                    {Layout::matrix, features, hidden},
                    {Layout::matrix, hidden, outputs},
                    {Layout::scalar, 1, 1},
                    {Layout::matrix, batch_rows, hidden},
                    {Layout::matrix, batch_rows, outputs},
                    {Layout::matrix, batch_rows, hidden}};
    plan.instructions = {
        product(Opcode::nn_bfloat16, x_at, v_at, h_at, -1, none, -1),
        product(Opcode::nn_bfloat16, h_at, w_at, -1, y_at, Micro::subtract, e_at),
        product(Opcode::nt_bfloat16, e_at, w_at, d_at, -1, none, -1),
        product(Opcode::tn_bfloat16, h_at, e_at, -1, w_at, Micro::descend, w_at),
        product(Opcode::tn_bfloat16, x_at, d_at, -1, v_at, Micro::descend, v_at),
    };

    const auto x = drawn<float>(rng, rows, features), y = drawn<float>(rng, rows, outputs);
    const auto v_start = drawn<float>(rng, features, hidden);
    const auto w_start = drawn<float>(rng, hidden, outputs);
    std::vector<std::int64_t> order(rows);
    for (int i = 0; i < rows; ++i) order[i] = rows - 1 - i;
    const int steps = (rows + batch - 1) / batch;
    const double rate = 0.01 / batch / features;
    const std::vector<double> rates(steps, rate);
    const Source sources[] = {{x.data.data(), Element::float32, x_at},
                              {y.data.data(), Element::float32, y_at}};
    const TableColumn table[] = {{rates.data(), nullptr, rate_at}};

    // Factors are rounded, all else is exact.
    using Exact = Matrix<double>;
    const auto multiplied = [](const Exact& a, const Exact& b) {
        Exact made(a.rows, b.columns);
        for (int i = 0; i < a.rows; ++i)
            for (int s = 0; s < a.columns; ++s) {
                const double left = rounded(static_cast<float>(a(i, s)));
                for (int j = 0; j < b.columns; ++j)
                    made(i, j) += left * rounded(static_cast<float>(b(s, j)));
            }
        return made;
    };
    const auto mirrored = [](const Exact& m) {
        Exact made(m.columns, m.rows);
        for (int i = 0; i < m.rows; ++i)
            for (int j = 0; j < m.columns; ++j) made(j, i) = m(i, j);
        return made;
    };
    Exact v(features, hidden), w(hidden, outputs);
    std::copy(v_start.data.begin(), v_start.data.end(), v.data.begin());
    std::copy(w_start.data.begin(), w_start.data.end(), w.data.begin());
    for (int step = 0; step < steps; ++step) {
        const int begin = step * batch, count = std::min(rows - begin, batch);
        Exact given(count, features);
        for (int r = 0; r < count; ++r)
            for (int f = 0; f < features; ++f) given(r, f) = x(rows - 1 - begin - r, f);
        const Exact h = multiplied(given, v);
        Exact e = multiplied(h, w);
        for (int r = 0; r < count; ++r)
            for (int o = 0; o < outputs; ++o) e(r, o) -= y(rows - 1 - begin - r, o);
        const Exact d = multiplied(e, mirrored(w));
        const Exact of_w = multiplied(mirrored(h), e), of_v = multiplied(mirrored(given), d);
        for (std::size_t i = 0; i < w.data.size(); ++i) w.data[i] -= rate * of_w.data[i];
        for (std::size_t i = 0; i < v.data.size(); ++i) v.data[i] -= rate * of_v.data[i];
    }

    std::vector<float> first;
    for (const int threads : {1, 2, 3, 8}) {
        Runner<float> runner(k, plan);
        runner.write(v_at, v_start.data.data(), static_cast<std::int64_t>(v_start.data.size()));
        runner.write(w_at, w_start.data.data(), static_cast<std::int64_t>(w_start.data.size()));
        runner.run({.sources = sources,
                    .table = table,
                    .order = order.data(),
                    .row_count = rows,
                    .batch_size = batch,
                    .first = 0,
                    .last = steps,
                    .summed = {},
                    .sums = nullptr,
                    .wanted = {},
                    .kept = kept,
                    .interrupted = {}},
                   threads);
        std::vector<float> found(v.data.size() + w.data.size());
        runner.read(v_at, found.data(), features);
        runner.read(w_at, found.data() + v.data.size(), hidden);
        if (first.empty()) {
            first = found;
            // A sum that is a little off may round to the neighbour of what it should.
            double off = 0, moved = 0;
            for (std::size_t i = 0; i < found.size(); ++i) {
                const bool of_v = i < v.data.size();
                const std::size_t at = of_v ? i : i - v.data.size();
                const double exact = of_v ? v.data[at] : w.data[at];
                off += std::pow(found[i] - exact, 2);
                moved += std::pow((of_v ? v_start : w_start).data[at] - exact, 2);
            }
            check(off <= 1e-6 * moved, about(k, "tiles: steps", features, hidden, batch) + ": " +
                                           std::to_string(std::sqrt(off / moved)));
        }
        check(std::memcmp(first.data(), found.data(), found.size() * sizeof(float)) == 0,
              about(k, "tiles: steps with threads", features, batch, threads));
    }
}

}  // namespace

void check_tiles() {
    Kernels<float> stand_in = wide::float_table;
    stand_in.tiles = &wide::tiles;
    for (const Kernels<float>* k :
         {kernels<float>("amx"), static_cast<const Kernels<float>*>(&stand_in)}) {
        if (k == nullptr) continue;
        const bool permitted = k->tiles->permitted();
        std::printf("%s tiles of bfloat16%s\n", k->isa, permitted ? "" : ": not permitted");
        std::fflush(stdout);
        if (!permitted) continue;
        std::mt19937 rng(1);
        check_shapes(*k, rng);
        check_places(*k, rng);
        check_special(*k);
        check_fork(*k, rng);
        check_steps(*k, rng, 5, 3, 2, 100, 17, false);
        check_steps(*k, rng, 20, 40, 3, 2000, 1000, false);  // in slices
        check_steps(*k, rng, 5, 3, 2, 4200, 4200, true);     // more samples than are packed at once
        check_steps(*k, rng, 530, 70, 33, 70, 40, false);  // more depth than the nearest cache has
        check_steps(*k, rng, 300, 200, 40, 290, 290, false);  // worth sharing out, two strips
    }
}

}  // namespace chainrule::checks
