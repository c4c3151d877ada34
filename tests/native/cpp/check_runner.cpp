// The runner of a plan against plain loops, and its threads against each other.
#include <cstring>

#include "checks.hpp"
#include "runner.hpp"

namespace chainrule::checks {
namespace {

// A linear model's steps, w ← w − rate xᵀ(x w − y), against loops, and with 1, 2, 3 and 8 threads.
template <class T>
void check_steps(const Kernels<T>& k, std::mt19937& rng, int features, int outputs, int rows,
                 int batch) {
    enum { x_at, y_at, w_at, rate_at, difference_at };
    const auto code = [](Micro micro, int dst, std::initializer_list<int> sources) {
        MicroOp op{};
        op.op = micro, op.dst = static_cast<std::uint8_t>(dst);
        int i = 0;
        for (const int s : sources) op.sources[i++] = static_cast<std::uint8_t>(s);
        return op;
    };
    Plan plan;
    plan.buffers = {{Layout::matrix, batch_rows, features},
                    {Layout::matrix, batch_rows, outputs},
                    {Layout::matrix, features, outputs},
                    {Layout::scalar, 1, 1},
                    {Layout::matrix, batch_rows, outputs}};
    Instruction forward, update;
    forward.op = Opcode::nn, forward.a = x_at, forward.b = w_at;
    forward.operands = {-1, y_at, difference_at};
    forward.spreads = {Spread::full, Spread::full, Spread::full};
    forward.code = {code(Micro::subtract, 2, {0, 1})};
    update.op = Opcode::tn, update.a = x_at, update.b = difference_at;
    update.operands = {-1, w_at, rate_at};
    update.spreads = {Spread::full, Spread::full, Spread::scalar};
    update.registers = 1;
    update.code = {code(Micro::multiply, scratch_register, {2, 0}),
                   code(Micro::subtract, 1, {1, scratch_register})};
    plan.instructions = {forward, update};
    plan.assigned = {w_at};

    const auto x = drawn<T>(rng, rows, features), y = drawn<T>(rng, rows, outputs);
    const auto start = drawn<T>(rng, features, outputs);
    std::vector<std::int64_t> order(rows);
    for (int i = 0; i < rows; ++i) order[i] = rows - 1 - i;
    const int steps = (rows + batch - 1) / batch;
    const double rate = 0.1 / batch;  // of a sum over the rows: numbers stay as large as they are
    const std::vector<double> rates(steps, rate);
    const Source sources[] = {
        {x.data.data(), std::is_same_v<T, float> ? Element::float32 : Element::float64, x_at},
        {y.data.data(), std::is_same_v<T, float> ? Element::float32 : Element::float64, y_at}};
    const TableColumn table[] = {{rates.data(), nullptr, rate_at}};

    Matrix<Wide> exact(features, outputs);
    std::copy(start.data.begin(), start.data.end(), exact.data.begin());
    for (int step = 0; step < steps; ++step) {
        const int begin = step * batch, end = std::min(rows, begin + batch);
        Matrix<Wide> change(features, outputs);
        for (int r = begin; r < end; ++r)
            for (int o = 0; o < outputs; ++o) {
                Wide error = -Wide{y(rows - 1 - r, o)};
                for (int f = 0; f < features; ++f) error += x(rows - 1 - r, f) * exact(f, o);
                for (int f = 0; f < features; ++f) change(f, o) += x(rows - 1 - r, f) * error;
            }
        for (std::size_t i = 0; i < exact.data.size(); ++i)
            exact.data[i] -= static_cast<Wide>(static_cast<T>(rate)) * change.data[i];
    }
    std::vector<T> first;
    for (const int threads : {1, 2, 3, 8}) {
        Runner<T> runner(k, plan);
        std::vector<T> seen(start.data.size());
        const auto look = [&] {
            runner.read(w_at, seen.data(), features);
            return false;
        };
        runner.write(w_at, start.data.data(), static_cast<std::int64_t>(start.data.size()));
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
                    .kept = false,
                    .interrupted = look},
                   threads);
        std::vector<T> w(start.data.size());
        runner.read(w_at, w.data(), features);
        if (first.empty()) {
            first = w;
            Wide worst = 0;
            for (std::size_t i = 0; i < w.size(); ++i)
                worst = std::max(worst, std::fabs(w[i] - exact.data[i]));
            check(worst < 1e4 * std::numeric_limits<T>::epsilon(),
                  about(k, "runner", features, rows, batch) + ": " +
                      std::to_string(static_cast<double>(worst)));
        }
        check(std::memcmp(first.data(), w.data(), w.size() * sizeof(T)) == 0,
              about(k, "runner's threads", features, rows, threads));
    }
}

}  // namespace

template <class T>
void check_runner(const Kernels<T>& k, std::mt19937& rng) {
    check_steps(k, rng, 5, 3, 100, 17);
    check_steps(k, rng, 33, 17, 3000, 1500);      // in slices
    check_steps(k, rng, 33, 1, 140'000, 70'000);  // so many that it takes legs
    check_steps(k, rng, 100, 70, 90, 33);         // worth sharing out
}

template void check_runner(const Kernels<float>&, std::mt19937&);
template void check_runner(const Kernels<double>&, std::mt19937&);

}  // namespace chainrule::checks
