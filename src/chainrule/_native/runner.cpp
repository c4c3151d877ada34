#include "runner.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "panels.hpp"
#include "shares.hpp"

namespace chainrule {

namespace {

// Below so many nanoseconds a step, meeting at barriers costs more than sharing saves.
constexpr double worth_sharing = 16'000;

constexpr int most_groups = 16;  // of slices: an even share for up to so many threads

}  // namespace

template <class T>
Runner<T>::Runner(const Kernels<T>& kernels, Plan plan)
    : kernels_(kernels),
      plan_(std::move(plan)),
      instructions_(plan_, kernels_),
      shared_(plan_, kernels.panel_width),
      assigned_(plan_.buffers.size()) {
    for (const int buffer : plan_.assigned) assigned_[buffer] = true;
    sliceable_ = find_phases();
}

// Which instructions work row by row, which sum over the rows, and what comes before and after;
// false if rows need what was summed over rows, as in batch normalization.
template <class T>
bool Runner<T>::find_phases() {
    std::vector<char> summed(plan_.buffers.size()), read(plan_.buffers.size());
    const auto of_batch = [&](int buffer) {
        return buffer >= 0 && plan_.buffers[buffer].rows == batch_rows;
    };
    for (std::size_t number = 0; number < plan_.instructions.size(); ++number) {
        const Instruction& instruction = plan_.instructions[number];
        const auto [from, to] = touched(instruction);
        const bool takes_rows = of_batch(instruction.a) || of_batch(instruction.b);
        const bool makes_rows = std::any_of(to.begin(), to.end(), of_batch);
        const bool late = std::any_of(from.begin(), from.end(), [&](int b) { return summed[b]; });
        Phase phase;
        if (makes_rows) {
            if (late || of_batch(instruction.b)) {
                const bool rowwise =
                    !is_row_product(instruction.op) && !is_sum_product(instruction.op);
                if (late || !rowwise) return false;
            }
            phase = Phase::rows;
        } else if (takes_rows) {
            const bool product = is_sum_product(instruction.op);
            const bool known =
                product || instruction.op == Opcode::total || instruction.op == Opcode::column_sum;
            if (!known || (product && !of_batch(instruction.b))) return false;
            phase = Phase::sums;
        } else {
            phase = late ? Phase::after : Phase::before;
        }
        for (const int buffer : to) {
            // What comes before must not overwrite what others listed earlier read.
            if (phase == Phase::before && read[buffer]) return false;
            if (phase == Phase::before && assigned_[buffer]) assigns_before_ = true;
            if (phase == Phase::sums || phase == Phase::after) summed[buffer] = true;
        }
        for (const int buffer : from) read[buffer] = true;
        phases_.push_back(phase);
    }
    return true;
}

template <class T>
void Runner<T>::write(int buffer, const T* from, std::int64_t size) {
    legs_.clear();
    switch (plan_.buffers[buffer].layout) {
        case Layout::matrix:
            return to_panels(from, shared_.rows_of(buffer), shared_.columns_of(buffer),
                             kernels_.panel_width, shared_.data(buffer));
        case Layout::scalar:
            return shared_.set_scalar(buffer, *from);
        default:
            std::copy_n(from, size, shared_.data(buffer));
    }
}

template <class T>
void Runner<T>::write_integers(int buffer, const std::int64_t* from, std::int64_t size) {
    legs_.clear();
    std::copy_n(from, size, shared_.integers(buffer));
}

template <class T>
void Runner<T>::read(int buffer, T* to, int rows) {
    finish();
    read(shared_, buffer, to, rows);
}

template <class T>
void Runner<T>::read(const Workspace<T>& at, int buffer, T* to, int rows) const {
    const T* from = at.data(buffer);
    if (plan_.buffers[buffer].layout == Layout::matrix)
        from_panels(from, rows, at.columns_of(buffer), kernels_.panel_width, to);
    else
        std::copy_n(from, rows, to);
}

template <class T>
void Runner<T>::read_integers(int buffer, std::int64_t* to, int rows) const {
    std::copy_n(shared_.integers(buffer), rows, to);
}

template <class T>
void Runner<T>::gather(const Source& source, const std::int64_t* chosen, Workspace<T>& at,
                       const Share& rows) const {
    const int columns = std::max(1, at.columns_of(source.buffer));
    switch (plan_.buffers[source.buffer].layout) {
        case Layout::integers:
            return gather_integers(source.data, source.element, columns, chosen, rows.begin,
                                   rows.end, at.integers(source.buffer));
        case Layout::matrix:
            return gather_panels(source.data, source.element, columns, chosen, at.rows(),
                                 kernels_.panel_width, at.data(source.buffer), rows.begin,
                                 rows.end);
        default:
            gather_column(source.data, source.element, chosen, rows.begin, rows.end,
                          at.data(source.buffer));
    }
}

template <class T>
void Runner<T>::fill(std::span<const TableColumn> table, std::int64_t step, int rows) {
    for (const auto& column : table) {
        if (column.words)
            std::copy_n(column.words + 4 * step, 4, shared_.key(column.buffer).begin());
        else
            shared_.set_scalar(column.buffer, static_cast<T>(column.numbers[step]));
    }
    if (plan_.batch_size >= 0) shared_.set_scalar(plan_.batch_size, static_cast<T>(rows));
}

// How much there is to do in a step of so many rows.
template <class T>
void Runner<T>::plan_work(int rows) {
    if (rows <= planned_) return;
    planned_ = rows;
    schedules_.clear();
    work_ = 0;
    for (std::size_t i = 0; i < plan_.instructions.size(); ++i)
        work_ += instructions_.work_of(static_cast<int>(i), shared_);
}

// What so many threads do of a step of planned_ rows.
template <class T>
const std::vector<Stop>& Runner<T>::stops(int threads) {
    auto& stops = schedules_[threads];
    if (stops.empty()) {
        std::vector<Division> divisions;
        for (std::size_t i = 0; i < plan_.instructions.size(); ++i)
            divisions.push_back(instructions_.division_of(static_cast<int>(i), shared_, threads));
        stops = schedule(plan_, divisions);
    }
    return stops;
}

// The rows of a slice, or 0 where a batch of so many rows is better taken whole.
template <class T>
int Runner<T>::slice_rows(int rows) const {
    constexpr std::size_t cache = 64 * 1024;  // a good part of it
    std::size_t row_bytes = 0, sum_bytes = 0;
    // What the products read and write, which is the same whoever looks at values in between.
    for (const Instruction& instruction : plan_.instructions)
        if (is_row_product(instruction.op) && plan_.buffers[instruction.a].rows == batch_rows)
            row_bytes +=
                (shared_.panels_of(instruction.a) +
                 2 * rounded_up(shared_.columns_of_product(instruction), kernels_.panel_width)) *
                kernels_.panel_width * sizeof(T);
    for (std::size_t i = 0; i < phases_.size(); ++i)
        if (phases_[i] == Phase::sums)
            sum_bytes += instructions_.sum_size(static_cast<int>(i), shared_) * sizeof(T);
    if (row_bytes == 0 || sum_bytes > cache) return 0;
    const int fitting = static_cast<int>(cache / row_bytes) / max_block_rows * max_block_rows;
    const int wanted = std::clamp(fitting, 2 * max_block_rows, 16 * max_block_rows);
    return rows >= 4 * wanted && wanted * row_products() <= leg_products ? wanted : 0;
}

// The multiplications of the products that make a row of a row.
template <class T>
double Runner<T>::row_products() const {
    double multiplications = 0;
    for (const Instruction& instruction : plan_.instructions)
        if (is_row_product(instruction.op) && plan_.buffers[instruction.a].rows == batch_rows)
            multiplications += static_cast<double>(shared_.columns_of(instruction.a)) *
                               shared_.columns_of_product(instruction);
    return multiplications;
}

template <class T>
void Runner<T>::run(const Steps& steps, int threads) {
    const int rows = static_cast<int>(std::min(steps.batch_size, steps.row_count));
    const int slice = sliceable_ && !steps.kept ? slice_rows(rows) : 0;
    finish();
    instructions_.out_of_range = false;
    if (slice > 0) {
        run_in_pieces(steps, std::clamp(threads, 1, most_groups), slice);
    } else {
        shared_.take(0, rows);
        plan_work(rows);
        run_in_pieces(steps, work_ < worth_sharing ? 1 : std::max(1, threads), 0);
    }
    if (instructions_.out_of_range)
        throw std::out_of_range("a number names no row of the table it is looked up in");
}

// With as many threads of `most` as help at the moment.
template <class T>
void Runner<T>::run_in_pieces(const Steps& steps, int most, int slice_rows) {
    using clock = std::chrono::steady_clock;
    // Some time slices of the system's scheduler, so that what else runs shows in all pieces alike.
    constexpr std::chrono::duration<double> wanted = std::chrono::milliseconds(8);
    Steps piece = steps;
    for (; piece.first < steps.last; piece.first = piece.last) {
        if (piece.first > steps.first) ask(steps);
        const int parts = crew_.size(most);
        const bool in_legs = is_long(steps, parts, slice_rows);
        piece.last = std::min(steps.last, piece.first + (in_legs ? 1 : piece_));
        const auto begun = clock::now();
        if (slice_rows > 0)
            in_legs ? run_sliced_in_legs(piece, parts, slice_rows)
                    : run_sliced(piece, parts, slice_rows);
        else
            in_legs ? run_shared_in_legs(piece, parts) : run_shared(piece, parts);
        const std::chrono::duration<double> time = clock::now() - begun;
        const auto each = time / static_cast<double>(piece.last - piece.first);
        crew_.learn(each.count());
        row_seconds_ =
            each.count() / static_cast<double>(std::min(steps.batch_size, steps.row_count));
        piece_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(wanted / each), 1, 8 * piece_);
    }
}

// Lets the caller hear a signal. If it ends the run, a step that has not assigned anything is over.
template <class T>
void Runner<T>::ask(const Steps& steps) {
    if (!steps.interrupted || !steps.interrupted()) return;
    if (!unfinished()) legs_.clear();
    throw Interrupted();
}

template <class T>
void Runner<T>::add_sums(const Steps& steps) const {
    for (std::size_t i = 0; i < steps.summed.size(); ++i)
        steps.sums[i] += static_cast<double>(shared_.data(steps.summed[i])[0]);
}

// Copies what is wanted of a workspace's rows, of which the first is `row` of all.
template <class T>
void Runner<T>::hand_out(const Steps& steps, std::int64_t row, const Workspace<T>& at) const {
    for (const Destination& to : steps.wanted) {
        const int columns = std::max(1, at.columns_of(to.buffer));
        if (plan_.buffers[to.buffer].layout == Layout::integers)
            std::copy_n(at.integers(to.buffer), static_cast<std::size_t>(at.rows()) * columns,
                        static_cast<std::int64_t*>(to.data) + row * columns);
        else
            read(at, to.buffer, static_cast<T*>(to.data) + row * columns, at.rows());
    }
}

template <class T>
void Runner<T>::carry_out(std::span<const Stop> stops, const Part& part) {
    for (const Stop& stop : stops) {
        if (stop.meet) team_.barrier();
        if (part.index == 0 || stop.division != Division::whole)
            instructions_.carry_out(
                stop.instruction, shared_, scratch(part.index),
                {stop.division, part.index, part.count, part.piece, part.pieces});
    }
}

template <class T>
void Runner<T>::begin_shared(const Steps& steps, std::int64_t step) {
    const std::int64_t left = steps.row_count - step * steps.batch_size;
    shared_.take(0, static_cast<int>(std::min(steps.batch_size, left)));
    fill(steps.table, step, shared_.rows());
}

template <class T>
void Runner<T>::run_shared(const Steps& steps, int parts) {
    scratch_.resize(instructions_.scratch_size() * parts);
    const auto& stops = this->stops(parts);
    const FlushToZero flushing;  // the first step's numbers are rounded as those of the others
    begin_shared(steps, steps.first);
    team_.run(parts, [&](int part) noexcept {
        for (std::int64_t step = steps.first; step < steps.last; ++step) {
            const std::int64_t row = step * steps.batch_size;
            for (const auto& source : steps.sources)
                gather(source, steps.order + row, shared_, Share(shared_.rows(), part, parts));
            carry_out(stops, {.index = part, .count = parts});
            if (!steps.wanted.empty()) {
                team_.barrier();
                if (part == 0) hand_out(steps, row, shared_);
            }
            team_.barrier([&] {
                add_sums(steps);
                if (step + 1 < steps.last) begin_shared(steps, step + 1);
            });
        }
    });
}

template <class T>
Runner<T>::Slices::Slices(const Steps& steps, std::int64_t step, int height)
    : begin(step * steps.batch_size),
      rows(static_cast<int>(std::min(steps.batch_size, steps.row_count - begin))),
      height(height),
      count(rounded_up(rows, height)),
      groups(std::min(count, most_groups)) {}

template <class T>
void Runner<T>::prepare_slices(int parts) {
    scratch_.resize(instructions_.scratch_size() * parts);
    while (apart_.size() < static_cast<std::size_t>(parts)) apart_.emplace_back(&shared_);
    if (!sum_places_.empty()) return;
    for (std::size_t i = 0; i < phases_.size(); ++i) {
        sum_places_.push_back(group_size_);
        if (phases_[i] == Phase::sums)
            group_size_ += instructions_.sum_size(static_cast<int>(i), shared_);
    }
    constexpr std::size_t line = 128 / sizeof(T);
    group_size_ = (group_size_ + line - 1) / line * line;
    group_sums_.resize(group_size_ * most_groups);
}

template <class T>
void Runner<T>::begin_sliced(const Steps& steps, std::int64_t step, int rows) {
    fill(steps.table, step, rows);
    for (std::size_t i = 0; i < phases_.size(); ++i)
        if (phases_[i] == Phase::before)
            instructions_.carry_out(static_cast<int>(i), shared_, scratch(0));
}

template <class T>
void Runner<T>::end_sliced(const Steps& steps, int groups) {
    for (std::size_t i = 0; i < phases_.size(); ++i) {
        const int number = static_cast<int>(i);
        if (phases_[i] == Phase::sums)
            instructions_.add_groups(number, shared_, group_sums_.data() + sum_places_[i],
                                     group_size_, groups, scratch(0));
        else if (phases_[i] == Phase::after)
            instructions_.carry_out(number, shared_, scratch(0));
    }
    add_sums(steps);
}

template <class T>
void Runner<T>::run_sliced(const Steps& steps, int parts, int slice_rows) {
    prepare_slices(parts);
    team_.run(parts, [&](int part) noexcept {
        for (std::int64_t step = steps.first; step < steps.last; ++step) {
            const Slices slices(steps, step, slice_rows);
            if (part == 0) begin_sliced(steps, step, slices.rows);
            team_.barrier();
            take_slices(steps, slices, slices.share(part, parts), part);
            team_.barrier();
            if (part == 0) end_sliced(steps, slices.groups);
        }
    });
}

// Some slices one after the other: all their rows, and the sums over them.
template <class T>
void Runner<T>::take_slices(const Steps& steps, const Slices& slices, const Share& some, int part) {
    Workspace<T>& at = apart_[part];
    T* const scratch = this->scratch(part);
    int group = 0;
    for (int slice = some.begin; slice < some.end; ++slice) {
        while (slice >= slices.first_of(group + 1)) ++group;
        const bool continues = slice > slices.first_of(group);
        T* const sums = group_sums_.data() + group * group_size_;
        const int first = slice * slices.height;
        at.take(first, std::min(slices.height, slices.rows - first));
        for (const auto& source : steps.sources)
            gather(source, steps.order + slices.begin + first, at, Share(at.rows(), 0, 1));
        for (std::size_t i = 0; i < phases_.size(); ++i) {
            const int number = static_cast<int>(i);
            if (phases_[i] == Phase::rows)
                instructions_.carry_out(number, at, scratch);
            else if (phases_[i] == Phase::sums)
                instructions_.add_up(number, at, sums + sum_places_[i], continues, scratch);
        }
        hand_out(steps, slices.begin + first, at);
    }
}

template class Runner<float>;
template class Runner<double>;

}  // namespace chainrule
