// The runner: carries a plan out for many steps, by a team of threads, in one of two ways. What
// each computes depends on shapes alone, never on the number of threads.
//
// - Shared: all threads work on the whole batch, instruction by instruction, a share each, and meet
//   where one needs what others did (schedule.hpp).
// - Sliced, for large batches of narrow layers: the rows fall into slices that fit a core's cache.
//   A thread takes a slice through all that is done row by row, adds up its sums over the rows,
//   and goes on to the next one. Slices form groups; the sums of the groups are added in order.
//
// A long step is carried out in legs, between which the caller may hear a signal. Once it has begun
// to write what it leaves behind, whoever looks at that has the rest of the step carried out first,
// even if the run was interrupted meanwhile: nobody sees half a step.
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

// Of a long step between two moments at which the caller may be interrupted: about so many
// nanoseconds of every thread, or multiplications.
inline constexpr double leg_work = 10e6, leg_products = 16 * leg_work;

template <class T>
class Runner {
  public:
    Runner(const Kernels<T>& kernels, Plan plan);

    // Copies between a buffer and a row-major array of rows × columns. Who writes one takes no
    // interest in the rest of an interrupted step; who reads one has it finished before.
    void write(int buffer, const T* from, std::int64_t size);
    void read(int buffer, T* to, int rows);
    void read_integers(int buffer, std::int64_t* to, int rows) const;
    void write_integers(int buffer, const std::int64_t* from, std::int64_t size);

    // Steps [first, last): gather the rows, fill the scalars, carry out the instructions, add each
    // summed scalar buffer to its sum, and copy what is `wanted` of each row; buffers with the rows
    // of the last batch can be read afterwards if they are `kept`. At most `threads` threads share
    // the work. Throws std::out_of_range where an integer names no row of a table, and Interrupted.
    struct Steps {
        std::span<const Source> sources;
        std::span<const TableColumn> table;
        const std::int64_t* order;
        std::int64_t row_count, batch_size, first, last;
        std::span<const int> summed;
        double* sums;
        std::span<const Destination> wanted;
        bool kept;
        // Asked every few milliseconds in the caller's thread, when no other is at work; may read
        // buffers that are assigned, and may be empty.
        std::function<bool()> interrupted;
    };
    struct Interrupted {};  // thrown where the answer is yes
    void run(const Steps& steps, int threads);

    // Whether a step has assigned something and is not yet over, and the rest of it.
    bool unfinished() const;
    void finish();

  private:
    enum class Phase : std::uint8_t { before, rows, sums, after };

    // Stops [first, last), or one of the pieces of a single one.
    struct Leg {
        std::size_t first, last;
        int piece = 0, pieces = 1;
    };

    // The slices of a step's rows, which begin with row `begin` of all.
    struct Slices {
        std::int64_t begin;
        int rows, height, count, groups;
        Slices(const Steps& steps, std::int64_t step, int height);
        int first_of(int group) const { return Share(count, group, groups).begin; }
        // Those of a thread's groups.
        Share share(int part, int parts) const {
            const Share some(groups, part, parts);
            return {first_of(some.begin), first_of(some.end)};
        }
    };

    bool find_phases();
    void plan_work(int rows);
    void read(const Workspace<T>& at, int buffer, T* to, int rows) const;
    const std::vector<Stop>& stops(int threads);
    void gather(const Source& source, const std::int64_t* chosen, Workspace<T>& at,
                const Share& rows) const;
    void fill(std::span<const TableColumn> table, std::int64_t step, int rows);
    void run_in_pieces(const Steps& steps, int most, int slice_rows);
    void ask(const Steps& steps);
    bool is_long(const Steps& steps, int parts, int slice_rows) const;
    void begin_shared(const Steps& steps, std::int64_t step);
    void run_shared(const Steps& steps, int parts);
    void run_shared_in_legs(const Steps& steps, int parts);
    void carry_out(std::span<const Stop> stops, const Part& part);
    void carry_out(const Leg& leg);
    void divide_into_legs(int parts);
    void prepare_slices(int parts);
    void begin_sliced(const Steps& steps, std::int64_t step, int rows);
    void end_sliced(const Steps& steps, int groups);
    void run_sliced(const Steps& steps, int parts, int slice_rows);
    void run_sliced_in_legs(const Steps& steps, int parts, int slice_rows);
    void take_slices(const Steps& steps, const Slices& slices, const Share& some, int part);
    void add_sums(const Steps& steps) const;
    void hand_out(const Steps& steps, std::int64_t row, const Workspace<T>& at) const;
    int slice_rows(int rows) const;
    int slices_a_leg(int slice_rows) const;
    double row_products() const;
    T* scratch(int part) { return scratch_.data() + part * instructions_.scratch_size(); }

    const Kernels<T>& kernels_;
    const Plan plan_;
    Instructions<T> instructions_;
    Workspace<T> shared_;
    std::deque<Workspace<T>> apart_;  // one for each thread that takes slices
    std::vector<char> assigned_;      // whether a buffer is
    std::vector<Phase> phases_;       // of each instruction, where slices are possible
    bool sliceable_ = false, assigns_before_ = false;
    std::vector<std::size_t> sum_places_;  // of each instruction's sum within a group's
    Memory<T> group_sums_;
    std::size_t group_size_ = 0;
    std::map<int, std::vector<Stop>> schedules_;  // of so many threads
    double work_ = 0;                             // of a step of planned_ rows
    int planned_ = -1;
    double row_seconds_ = 0;            // how long a step took, by its rows
    std::vector<Leg> legs_;             // of a long step in the middle of which we are
    std::size_t next_leg_ = 0;          // how many of them are done
    std::size_t first_assignment_ = 0;  // the first stop that assigns something
    int leg_parts_ = 1;                 // the threads that share them
    Team team_;
    Crew crew_;
    std::int64_t piece_ = 1;  // steps between two looks at the clock
    Memory<T> scratch_;
};

}  // namespace chainrule
