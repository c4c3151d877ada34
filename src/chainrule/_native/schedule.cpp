#include "schedule.hpp"

#include <algorithm>
#include <array>

namespace chainrule {

Touched touched(const Instruction& instruction) {
    Touched buffers{{instruction.a, instruction.b}, {instruction.out, instruction.also}};
    for (const int buffer : instruction.operands) buffers.read.push_back(buffer);
    const auto written = [&](int place) {
        if (place < scratch_register) buffers.written.push_back(instruction.operands[place]);
    };
    for (const MicroOp& op : instruction.code) {
        written(op.dst);
        if (op.op == Micro::adam)
            for (int i = max_sources - 2; i < max_sources; ++i) written(op.sources[i]);
    }
    const auto none = [](int buffer) { return buffer < 0; };
    std::erase_if(buffers.read, none);
    std::erase_if(buffers.written, none);
    return buffers;
}

namespace {

// Who has been at each buffer since the threads last met.
class Since {
  public:
    Since(const Plan& plan, const std::vector<Touched>& buffers)
        : plan_(plan), seen_(plan.buffers.size()) {
        // What is read before it is written holds rows of the data, which each thread brought for
        // itself.
        std::vector<char> written(seen_.size());
        for (const Touched& some : buffers) {
            for (const int buffer : some.read)
                if (!written[buffer] && plan.buffers[buffer].rows == batch_rows)
                    seen_[buffer].written[at(Division::rows)] = true;
            for (const int buffer : some.written) written[buffer] = true;
        }
    }

    bool safe(const Touched& buffers, Division division) const {
        const auto apart = [&](int buffer, const std::array<bool, 3>& by) {
            for (const Division other : {Division::rows, Division::units, Division::whole})
                if (by[at(other)] && !together(buffer, other, division)) return true;
            return false;
        };
        for (const int buffer : buffers.read)
            if (apart(buffer, seen_[buffer].written)) return false;
        for (const int buffer : buffers.written)
            if (apart(buffer, seen_[buffer].written) || apart(buffer, seen_[buffer].read))
                return false;
        return true;
    }

    void note(const Touched& buffers, Division division) {
        for (const int buffer : buffers.read) seen_[buffer].read[at(division)] = true;
        for (const int buffer : buffers.written) seen_[buffer].written[at(division)] = true;
    }

    void forget() { std::fill(seen_.begin(), seen_.end(), Seen{}); }

  private:
    struct Seen {
        std::array<bool, 3> read{}, written{};
    };

    static std::size_t at(Division division) { return static_cast<std::size_t>(division); }

    // Whether a thread finds in the buffer only what it wrote itself.
    bool together(int buffer, Division one, Division other) const {
        if (one != other || one == Division::units) return false;
        return one == Division::whole || plan_.buffers[buffer].rows == batch_rows;
    }

    const Plan& plan_;
    std::vector<Seen> seen_;
};

bool share_one(const std::vector<int>& some, const std::vector<int>& others) {
    return std::any_of(some.begin(), some.end(), [&](int buffer) {
        return std::find(others.begin(), others.end(), buffer) != others.end();
    });
}

}  // namespace

std::vector<Stop> schedule(const Plan& plan, const std::vector<Division>& divisions) {
    const int count = static_cast<int>(plan.instructions.size());
    std::vector<Touched> buffers;
    for (const Instruction& instruction : plan.instructions)
        buffers.push_back(touched(instruction));
    const auto follows = [&](int later, int earlier) {
        return share_one(buffers[later].read, buffers[earlier].written) ||
               share_one(buffers[later].written, buffers[earlier].read) ||
               share_one(buffers[later].written, buffers[earlier].written);
    };
    std::vector<std::vector<int>> after(count);  // which instructions each has to wait for
    for (int later = 0; later < count; ++later)
        for (int earlier = 0; earlier < later; ++earlier)
            if (follows(later, earlier)) after[later].push_back(earlier);

    std::vector<Stop> stops;
    std::vector<char> done(count);
    Since since(plan, buffers);
    for (bool meet = false; stops.size() < static_cast<std::size_t>(count);) {
        int next = -1;
        for (int i = 0; i < count && next < 0; ++i) {
            const bool ready = std::all_of(after[i].begin(), after[i].end(),
                                           [&](int earlier) { return done[earlier]; });
            if (!done[i] && ready && since.safe(buffers[i], divisions[i])) next = i;
        }
        if (next < 0) {
            since.forget();
            meet = true;
            continue;
        }
        since.note(buffers[next], divisions[next]);
        done[next] = true;
        stops.push_back({next, divisions[next], meet});
        meet = false;
    }
    return stops;
}

}  // namespace chainrule
