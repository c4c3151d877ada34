// Where a plan's buffers are. Those with the rows of a batch belong to a workspace; the others are
// shared by all workspaces of a plan.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "plan.hpp"

namespace chainrule {

// Vectors of the widest instruction set, and no line of the cache shared by two buffers. What is
// large begins with a page of the largest kind and asks for more of them, where there are any:
// the kernels go through columns of panels, which lie in many small pages.
template <class T>
struct Aligned {
    using value_type = T;
    Aligned() = default;
    template <class U>
    Aligned(const Aligned<U>&) {}
    T* allocate(std::size_t n) {
        std::size_t bytes = n * sizeof(T);
        if (is_large(n)) bytes = (bytes + large_page - 1) / large_page * large_page;
        void* const place = ::operator new(bytes, alignment_of(n));
#if defined(MADV_HUGEPAGE)
        if (is_large(n)) madvise(place, bytes, MADV_HUGEPAGE);  // a wish: it may be refused
#endif
        return static_cast<T*>(place);
    }
    void deallocate(T* p, std::size_t n) { ::operator delete(p, alignment_of(n)); }
    bool operator==(const Aligned&) const = default;

  private:
    static constexpr std::size_t large_page = 2 * 1024 * 1024;
    static bool is_large(std::size_t n) { return n * sizeof(T) >= large_page / 2; }
    static std::align_val_t alignment_of(std::size_t n) {
        return std::align_val_t{is_large(n) ? large_page : 128};
    }
};

template <class T>
using Memory = std::vector<T, Aligned<T>>;

// The elements of a buffer. A scalar holds its number in every lane of a panel and a column is
// whole blocks, so that code may run over their ends.
inline std::size_t size_of(const Buffer& buffer, int rows, int panel) {
    const std::size_t block = static_cast<std::size_t>(max_block_rows) * panel;
    switch (buffer.layout) {
        case Layout::scalar:
            return block;
        case Layout::column:
            return (static_cast<std::size_t>(rows) + block) / block * block;
        default:
            return (static_cast<std::size_t>(buffer.columns) + panel - 1) / panel * panel * rows +
                   block;
    }
}

template <class T>
class Workspace {
  public:
    Workspace(const Plan& plan, int panel)
        : plan_(&plan),
          panel_(panel),
          real_(plan.buffers.size()),
          whole_(plan.buffers.size()),
          data_(plan.buffers.size()),
          integers_(plan.buffers.size()),
          keys_(plan.buffers.size()) {
        for (std::size_t i = 0; i < plan.buffers.size(); ++i)
            if (plan.buffers[i].rows != batch_rows) reserve(i, plan.buffers[i].rows);
        place_operands();  // of what does not depend on the rows
    }

    // One with rows of its own that shares everything else.
    explicit Workspace(const Workspace* shared)
        : shared_(shared),
          plan_(shared->plan_),
          panel_(shared->panel_),
          real_(shared->real_.size()),
          whole_(shared->whole_.size()),
          data_(shared->data_),
          integers_(shared->integers_) {}
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

    // Rows [first, first + rows) of the batch are the ones at work now.
    void take(int first, int rows) {
        first_row = first;
        if (rows == rows_) return;
        rows_ = rows;
        if (rows > reserved_) {
            for (std::size_t i = 0; i < data_.size(); ++i)
                if (plan_->buffers[i].rows == batch_rows) reserve(i, rows);
            reserved_ = rows;
        }
        place_operands();
    }

    int rows() const { return rows_; }
    int rows_of(int buffer) const {
        return plan_->buffers[buffer].rows == batch_rows ? rows_ : plan_->buffers[buffer].rows;
    }
    int columns_of(int buffer) const { return plan_->buffers[buffer].columns; }
    int panels_of(int buffer) const { return (columns_of(buffer) + panel_ - 1) / panel_; }
    int columns_of_product(const Instruction& product) const {
        return product.op == Opcode::nt_bfloat16 ? rows_of(product.b) : columns_of(product.b);
    }
    T* data(int buffer) const { return data_[buffer]; }
    std::int64_t* integers(int buffer) const { return integers_[buffer]; }
    std::array<std::uint32_t, 4>& key(int buffer) { return keys_[buffer]; }
    const std::array<std::uint32_t, 4>& key(int buffer) const {
        return (shared_ ? shared_ : this)->keys_[buffer];
    }
    void set_scalar(int buffer, T x) const { std::fill_n(data_[buffer], panel_, x); }

    // The code's operands of one block: `row` is its first row in the panel; −1 is `own`.
    int operands(int instruction, T* own, int panel, int row, Operand<T>* out) const {
        const auto& reaches = reaches_[instruction];
        for (std::size_t i = 0; i < reaches.size(); ++i) {
            const Reach& reach = reaches[i];
            out[i] = reach.at;
            out[i].data =
                reach.at.data ? reach.at.data + panel * reach.panel + row * reach.row : own;
        }
        return static_cast<int>(reaches.size());
    }

    // Asks for the code's operands of a block, from whatever cache they are in.
    void prefetch(int instruction, int panel, int row, int rows) const {
        constexpr std::size_t line = 64;
        for (const Reach& reach : reaches_[instruction]) {
            if (reach.row != panel_ || reach.at.data == nullptr) continue;
            const T* block = reach.at.data + panel * reach.panel + row * reach.row;
            for (int i = 0; i < rows * panel_; i += line / sizeof(T))
                __builtin_prefetch(block + i, 1);
        }
    }

    int first_row = 0;

  private:
    // An operand at the first block, and the steps to the next panel and row.
    struct Reach {
        Operand<T> at;
        std::ptrdiff_t panel, row;
    };

    void reserve(std::size_t buffer, int rows) {
        const Buffer& described = plan_->buffers[buffer];
        if (described.layout == Layout::integers) {
            whole_[buffer].assign(static_cast<std::size_t>(rows) * std::max(1, described.columns),
                                  0);
            integers_[buffer] = whole_[buffer].data();
        } else if (described.layout != Layout::key) {
            real_[buffer].assign(size_of(described, rows, panel_), T(0));
            data_[buffer] = real_[buffer].data();
        }
    }

    void place_operands() {
        reaches_.clear();
        for (const Instruction& instruction : plan_->instructions) {
            auto& reaches = reaches_.emplace_back();
            for (std::size_t i = 0; i < instruction.operands.size(); ++i)
                reaches.push_back(reach(instruction.operands[i], instruction.spreads[i]));
        }
    }

    Reach reach(int buffer, Spread spread) const {
        T* data = buffer < 0 ? nullptr : data_[buffer];
        const Operand<T> at = operand(data, spread, panel_);
        if (buffer < 0) return {at, 0, 0};
        switch (spread) {
            case Spread::full:
                return {at, static_cast<std::ptrdiff_t>(rows_of(buffer)) * panel_, panel_};
            case Spread::row:
                return {at, panel_, 0};
            case Spread::column:
                return {at, 0, 1};
            default:
                return {at, 0, 0};
        }
    }

    const Workspace* shared_ = nullptr;
    const Plan* plan_;
    int panel_;
    int rows_ = -1, reserved_ = -1;  // now; the most so far
    std::vector<Memory<T>> real_;
    std::vector<Memory<std::int64_t>> whole_;
    std::vector<T*> data_;
    std::vector<std::int64_t*> integers_;
    std::vector<std::array<std::uint32_t, 4>> keys_;
    std::vector<std::vector<Reach>> reaches_;
};

}  // namespace chainrule
