// Long steps, carried out in legs: between two of them the caller may hear a signal (runner.hpp).
#include <algorithm>

#include "runner.hpp"
#include "shares.hpp"

namespace chainrule {

// Whether a step is better carried out in legs.
template <class T>
bool Runner<T>::is_long(const Steps& steps, int parts, int slice_rows) const {
    const auto rows = std::min(steps.batch_size, steps.row_count);
    if (slice_rows > 0)
        return !assigns_before_ &&
               rows > static_cast<std::int64_t>(parts) * slices_a_leg(slice_rows) * slice_rows;
    // Legs cost a tenth more, so they are for steps that would not let signals be heard in time.
    constexpr double too_long = 0.08;  // seconds
    const double known = work_ / std::max(planned_, 1) / parts * 1e-9;
    return (row_seconds_ > 0 ? row_seconds_ : known) * static_cast<double>(rows) > too_long;
}

template <class T>
bool Runner<T>::unfinished() const {
    return next_leg_ < legs_.size() && next_leg_ > 0 &&
           legs_[next_leg_ - 1].last > first_assignment_;
}

template <class T>
void Runner<T>::finish() {
    if (unfinished())
        while (next_leg_ < legs_.size()) carry_out(legs_[next_leg_++]);
}

template <class T>
void Runner<T>::carry_out(const Leg& leg) {
    const std::span stops(this->stops(leg_parts_));
    team_.run(leg_parts_, [&](int part) noexcept {
        carry_out(stops.subspan(leg.first, leg.last - leg.first),
                  {.index = part, .count = leg_parts_, .piece = leg.piece, .pieces = leg.pieces});
    });
}

// What is short joins what comes before, what is long is cut.
template <class T>
void Runner<T>::divide_into_legs(int parts) {
    const auto& stops = this->stops(parts);
    legs_.clear();
    next_leg_ = 0, leg_parts_ = parts, first_assignment_ = stops.size();
    double leg = leg_work;  // of the last one
    for (std::size_t i = 0; i < stops.size(); ++i) {
        const int number = stops[i].instruction;
        const auto assigns = [&](int buffer) { return assigned_[buffer] != 0; };
        const auto written = touched(plan_.instructions[number]).written;
        if (std::any_of(written.begin(), written.end(), assigns))
            first_assignment_ = std::min(first_assignment_, i);
        const bool divided = stops[i].division != Division::whole;
        const double work = instructions_.work_of(number, shared_) / (divided ? parts : 1);
        const int pieces = divided ? std::max(1, static_cast<int>(work / leg_work)) : 1;
        if (pieces > 1 || leg + work >= leg_work) {
            for (int piece = 0; piece < pieces; ++piece) legs_.push_back({i, i + 1, piece, pieces});
            leg = pieces > 1 ? leg_work : work;
        } else {
            legs_.back().last = i + 1;
            leg += work;
        }
    }
}

// One step.
template <class T>
void Runner<T>::run_shared_in_legs(const Steps& steps, int parts) {
    scratch_.resize(instructions_.scratch_size() * parts);
    const std::int64_t row = steps.first * steps.batch_size;
    {
        const FlushToZero flushing;
        begin_shared(steps, steps.first);
    }
    double gathered = 0;
    for (const auto& source : steps.sources)
        gathered += static_cast<double>(shared_.rows()) * shared_.columns_of(source.buffer);
    const int pieces = 1 + static_cast<int>(gathered / parts / leg_work);
    for (int piece = 0; piece < pieces; ++piece) {
        team_.run(parts, [&](int part) noexcept {
            const Part own{Division::rows, part, parts, piece, pieces};
            for (const auto& source : steps.sources)
                gather(source, steps.order + row, shared_, own.either(shared_.rows()));
        });
        ask(steps);
    }
    divide_into_legs(parts);
    while (next_leg_ < legs_.size()) {
        carry_out(legs_[next_leg_++]);
        ask(steps);
    }
    const FlushToZero flushing;
    hand_out(steps, row, shared_);
    add_sums(steps);
}

// How many slices a thread takes in a leg.
template <class T>
int Runner<T>::slices_a_leg(int slice_rows) const {
    const double fitting = leg_products / (slice_rows * row_products());
    return static_cast<int>(std::clamp(fitting, 1.0, 256.0));
}

// One step. Nothing is assigned before its end.
template <class T>
void Runner<T>::run_sliced_in_legs(const Steps& steps, int parts, int slice_rows) {
    prepare_slices(parts);
    const Slices slices(steps, steps.first, slice_rows);
    {
        const FlushToZero flushing;
        begin_sliced(steps, steps.first, slices.rows);
    }
    const int at_once = slices_a_leg(slice_rows);
    int most = 0;
    for (int part = 0; part < parts; ++part)
        most = std::max(most, slices.share(part, parts).size());
    for (int leg = 0; leg * at_once < most; ++leg) {
        team_.run(parts, [&](int part) noexcept {
            take_slices(steps, slices, slices.share(part, parts).piece(leg, at_once), part);
        });
        ask(steps);
    }
    const FlushToZero flushing;
    end_sliced(steps, slices.groups);
}

template bool Runner<float>::is_long(const Steps&, int, int) const;
template bool Runner<float>::unfinished() const;
template void Runner<float>::finish();
template void Runner<float>::run_shared_in_legs(const Steps&, int);
template void Runner<float>::run_sliced_in_legs(const Steps&, int, int);
template bool Runner<double>::is_long(const Steps&, int, int) const;
template bool Runner<double>::unfinished() const;
template void Runner<double>::finish();
template void Runner<double>::run_shared_in_legs(const Steps&, int);
template void Runner<double>::run_sliced_in_legs(const Steps&, int, int);

}  // namespace chainrule
