// Carrying out the instructions of a plan: what each does, by kernels, on the buffers of a
// workspace.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels.hpp"
#include "plan.hpp"
#include "schedule.hpp"
#include "shares.hpp"
#include "workspace.hpp"

namespace chainrule {

// Of the scratch: steps of packed factors that a plan's products on tiles need.
struct TileRoom {
    int left = 0, right = 0;
    explicit TileRoom(const Plan& plan);
    std::size_t size() const;  // in elements
};

// One part of an instruction's work, or a piece of that: so much of its units.
struct Part {
    Division division = Division::whole;
    int index = 0, count = 1;
    int piece = 0, pieces = 1;

    Share rows(int n) const { return cut(n, division == Division::rows); }
    Share units(int n) const { return piece_of(n, division == Division::units); }
    Share either(int n) const {
        return piece_of(n, division != Division::whole);
    }  // units are rows

  private:
    Share cut(int n, bool divided) const {
        return divided ? Share(n, index, count) : Share(n, 0, 1);
    }
    Share piece_of(int n, bool divided) const {
        const Share own = cut(n, divided);
        if (pieces == 1) return own;
        const int most = rounded_up(n, divided ? count : 1);
        return own.piece(piece, rounded_up(most, pieces));
    }
};

template <class T>
class Instructions {
  public:
    Instructions(const Plan& plan, const Kernels<T>& kernels);

    // One part of an instruction's work; what is computed does not depend on the parts.
    void carry_out(int number, Workspace<T>& at, T* scratch, const Part& part = {});

    // How the work is best divided among so many threads.
    Division division_of(int number, const Workspace<T>& at, int threads) const;

    // A reduction over the rows of a batch, slice by slice: adds those of this workspace to `sums`,
    // or puts them there where nothing is to be continued.
    void add_up(int number, const Workspace<T>& at, T* sums, bool continues, T* scratch) const;
    // What the groups of slices have come to, in their order, as the instruction's result.
    void add_groups(int number, const Workspace<T>& at, const T* sums, std::size_t stride,
                    int groups, T* scratch) const;
    // The elements of such a sum.
    std::size_t sum_size(int number, const Workspace<T>& at) const;

    // Roughly the nanoseconds of one thread.
    double work_of(int number, const Workspace<T>& at) const;

    std::size_t scratch_size() const { return scratch_size_; }
    std::atomic<bool> out_of_range{false};  // an integer named no row of a table

  private:
    void product_nn(int number, const Workspace<T>& at, T* scratch, const Part& part) const;
    void product_tn(int number, const Workspace<T>& at, T* scratch, const Part& part) const;
    struct Side;
    int sides_of(int columns) const;
    Side side(int columns, int number, int sides) const;
    bool may_skip(const Instruction& product) const;
    bool skips(const Instruction& product, const Workspace<T>& at, const Share& rows) const;
    void sparse_nn(int number, const Workspace<T>& at, T* scratch, const Part& part,
                   const Share& own_rows) const;
    void sparse_tn(int number, const Workspace<T>& at, T* scratch, const Part& part) const;
    void sparse_sums(const Instruction& product, const Workspace<T>& at, const Side& side,
                     int source, int many, bool continues, T* out, std::size_t out_panel) const;
    void sparse_add_up(const Instruction& product, const Workspace<T>& at, T* sums,
                       bool continues) const;
    void finish_side(int number, const Workspace<T>& at, const Side& side, T* out,
                     std::size_t out_panel, int row, int count, int columns, T* scratch) const;
    int sources_at_once() const;
    std::size_t sparse_size() const;
    void tiles_nn(int number, const Workspace<T>& at, T* scratch, const Part& part) const;
    void tiles_tn(int number, const Workspace<T>& at, T* scratch, const Part& part) const;
    void tiles_add_up(int number, const Workspace<T>& at, T* sums, bool continues,
                      T* scratch) const;
    void sum_columns(int number, const Workspace<T>& at, T* scratch, const Part& part) const;
    void elementwise(int number, const Workspace<T>& at, T* scratch, const Part& part) const;
    void rowwise(const Instruction& instruction, const Workspace<T>& at, T* scratch,
                 const Part& part) const;
    void of_rows(Opcode op, const T* a, int rows, int columns, int begin, int end, T* out,
                 std::int64_t* integers) const;
    void of_vectors(const Instruction& instruction, const Workspace<T>& at, T* scratch,
                    const Share& share) const;
    void draw(const Instruction& instruction, const Workspace<T>& at, const Part& part) const;
    void move(const Instruction& instruction, const Workspace<T>& at, const Part& part);
    template <class E>
    void strided(const Instruction& instruction, const Workspace<T>& at, const Share& rows,
                 const E* a, E* to) const;
    void whole(const Instruction& instruction, const Workspace<T>& at);
    struct Line {
        std::ptrdiff_t begin, step;
    };
    std::size_t place(int rows, int row, int column) const;
    Line line(const Workspace<T>& at, int buffer, int column) const;
    void tn_block(const Instruction& instruction, const Workspace<T>& at, int panel, int source,
                  bool continues, T* block) const;
    int vectors_of(int columns, int panel) const;
    void finish(int number, const Workspace<T>& at, T* block, int panel, int row, int rows,
                int columns, T* scratch) const;

    const Plan& plan_;
    const Kernels<T>& kernels_;
    const int panel_;
    const TileRoom tile_room_;
    std::size_t scratch_size_;
};

}  // namespace chainrule
