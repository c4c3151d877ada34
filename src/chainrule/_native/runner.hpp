// The runner: carries a plan out for many steps, by a team of threads, in one of two ways. What
// each computes depends on shapes alone, never on the number of threads.
//
// - Shared: all threads work on the whole batch, instruction by instruction, a share each, and meet
//   where one needs what others did (schedule.hpp).
// - Sliced, for large batches of narrow layers: the rows fall into slices that fit a core's cache.
//   A thread takes a slice through all that is done row by row, adds up its sums over the rows,
//   and goes on to the next one. Slices form groups; the sums of the groups are added in order.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "crew.hpp"
#include "instructions.hpp"
#include "plan.hpp"
#include "team.hpp"
#include "workspace.hpp"

namespace chainrule {

template <class T>
class Runner {
  public:
    Runner(const Kernels<T>& kernels, Plan plan);

    // Copies between a buffer and a row-major array of rows × columns.
    void write(int buffer, const T* from, std::int64_t size);
    void read(int buffer, T* to, int rows) const;
    void read_integers(int buffer, std::int64_t* to, int rows) const;

    // Steps [first, last): gather the rows, fill the scalars, carry out the instructions, add each
    // summed scalar buffer to its sum, and copy what is `wanted` of each row; buffers with the rows
    // of the last batch can be read afterwards if they are `kept`. At most `threads` threads share
    // the work. Throws std::out_of_range where an integer names no row of a table.
    struct Steps {
        std::span<const Source> sources;
        std::span<const TableColumn> table;
        const std::int64_t* order;
        std::int64_t row_count, batch_size, first, last;
        std::span<const int> summed;
        double* sums;
        std::span<const Destination> wanted;
        bool kept;
        // Asked every few milliseconds, after a whole step, in the caller's thread; may be empty.
        std::function<bool()> interrupted;
    };
    struct Interrupted {};  // thrown where the answer is yes
    void run(const Steps& steps, int threads);

  private:
    enum class Phase : std::uint8_t { before, rows, sums, after };

    bool find_phases();
    void plan_work(int rows);
    void read(const Workspace<T>& at, int buffer, T* to, int rows) const;
    const std::vector<Stop>& stops(int threads);
    void gather(const Source& source, const std::int64_t* chosen, Workspace<T>& at,
                const Share& rows) const;
    void fill(std::span<const TableColumn> table, std::int64_t step, int rows);
    void run_in_pieces(const Steps& steps, int most, int slice_rows);
    void run_shared(const Steps& steps, int parts);
    void run_sliced(const Steps& steps, int parts, int slice_rows);
    void take_slices(const Steps& steps, std::int64_t begin, int rows, int slice_rows, int group,
                     int groups, Workspace<T>& at, T* scratch);
    void add_sums(const Steps& steps) const;
    void hand_out(const Steps& steps, std::int64_t row, const Workspace<T>& at) const;
    int slice_rows(int rows) const;
    T* scratch(int part) { return scratch_.data() + part * instructions_.scratch_size(); }

    const Kernels<T>& kernels_;
    const Plan plan_;
    Instructions<T> instructions_;
    Workspace<T> shared_;
    std::deque<Workspace<T>> apart_;  // one for each thread that takes slices
    std::vector<Phase> phases_;       // of each instruction, where slices are possible
    bool sliceable_;
    std::vector<std::size_t> sum_places_;  // of each instruction's sum within a group's
    Memory<T> group_sums_;
    std::size_t group_size_ = 0;
    std::map<int, std::vector<Stop>> schedules_;  // of so many threads
    double work_ = 0;                             // of a step of planned_ rows
    int planned_ = -1;
    Team team_;
    Crew crew_;
    std::int64_t piece_ = 1;  // steps between two looks at the clock
    Memory<T> scratch_;
};

}  // namespace chainrule
