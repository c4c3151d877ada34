// A plan: a program lowered to instructions over numbered buffers, and the runner that carries it
// out for many steps. It knows no graph, no gradient and no layer; how buffers lie in memory is in
// kernels.hpp.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels.hpp"
#include "panels.hpp"
#include "team.hpp"

namespace chainrule {

inline constexpr int batch_rows = -1;  // a buffer with as many rows as the batch has

enum class Opcode : std::uint8_t {
    nn,           // out ← a b, then code on each finished tile
    tn,           // out ← aᵀ b, then code on each finished tile
    elementwise,  // code on all operands
    transpose,    // out ← aᵀ
    softmax,
    log_softmax,  // of each row
    row_sum,
    row_max,               // matrix → column
    row_argmax,            // matrix → column of integers
    sparse_cross_entropy,  // logits a, labels b → column
    column_sum,            // matrix or column → one row
    total,                 // column → scalar
    one_hot,               // column of integers → matrix
    gather,
    scatter_add,   // table a and integers b → matrix; its transpose
    dropout_mask,  // key a → matrix
    to_real,       // column of integers → column
    to_column,
    to_matrix,     // a matrix of one column ↔ a column
    copy_columns,  // columns [from, from + count) of a to columns [to, …) of out
    count_
};

enum class Layout : std::uint8_t { scalar, column, matrix, integers };

struct Buffer {
    Layout layout;
    int rows;  // or batch_rows
    int columns;
};

struct Instruction {
    Opcode op;
    int out = -1, a = -1, b = -1;
    // For tiles and elementwise code: operand i of the code is buffer operands[i] (of a product,
    // operand 0 is the product itself).
    std::vector<MicroOp> code;
    std::vector<int> operands;
    std::vector<Spread> spreads;
    int registers = 0;
    std::array<int, 3> integers{};  // copy_columns: from, to, count; dropout: stream, cycle
    double real = 0;                // dropout: rate
};

// Rows of the data: a row-major array of `columns` numbers a row.
struct Source {
    const void* data;
    Element element;
    int buffer;
};

// A column of the step table: one number a step for a scalar, or four words for a key.
struct TableColumn {
    const double* numbers;       // or null
    const std::uint32_t* words;  // or null
    int buffer;
};

template <class T>
class Plan {
  public:
    Plan(const Kernels<T>& kernels, std::vector<Buffer> buffers,
         std::vector<Instruction> instructions, int batch_size_buffer);

    // Copies between a buffer and a row-major array of rows × columns.
    void write(int buffer, const T* from, std::int64_t size);
    void read(int buffer, T* to, int rows) const;
    void read_integers(int buffer, std::int64_t* to, int rows) const;

    // Steps [first, last): gather the rows, fill the scalars, carry out the instructions, add each
    // summed scalar buffer to its sum. At most `threads` threads share the work; the result does
    // not depend on how many. Throws std::out_of_range where an integer names no row of a table.
    void run(std::span<const Source> sources, std::span<const TableColumn> table,
             const std::int64_t* order, std::int64_t row_count, std::int64_t batch_size,
             std::int64_t first, std::int64_t last, std::span<const int> summed, double* sums,
             int threads);

  private:
    void reserve(int rows);
    double work_of(const Instruction& instruction) const;
    void gather(const Source& source, const std::int64_t* chosen, int part, int parts);
    void fill(std::span<const TableColumn> table, std::int64_t step);
    void carry_out(const Instruction& instruction, int part, int parts);
    void product_nn(const Instruction& instruction, int part, int parts);
    void product_tn(const Instruction& instruction, int part, int parts);
    void elementwise(const Instruction& instruction, int part, int parts);
    void rowwise(const Instruction& instruction, int part, int parts);
    void whole(const Instruction& instruction);
    void finish_tile(const Instruction& instruction, T* tile, int panel, int row, int rows,
                     int total_rows, T* scratch);
    int rows_of(int buffer) const;
    int columns_of(int buffer) const { return buffers_[buffer].columns; }
    int panels_of(int buffer) const { return (columns_of(buffer) + panel_ - 1) / panel_; }
    T* data(int buffer) { return data_[buffer].data(); }
    std::int64_t* integers(int buffer) { return integers_[buffer].data(); }
    std::size_t size_of(const Buffer& buffer, int rows) const;

    const Kernels<T>& kernels_;
    int panel_;
    std::vector<Buffer> buffers_;
    std::vector<Instruction> instructions_;
    int batch_size_buffer_;
    int rows_ = 0, reserved_ = 0;  // of the batch now; of the largest so far
    std::vector<std::vector<T>> data_;
    std::vector<std::vector<std::int64_t>> integers_;
    std::vector<std::array<std::uint32_t, 4>> keys_;
    std::vector<bool> shared_out_;  // which instructions are worth sharing out
    double work_ = 0;               // of a step of reserved_ rows
    std::atomic<bool> out_of_range_{false};
    Team team_;
    std::vector<T> scratch_;
    std::size_t scratch_size_ = 0;
};

}  // namespace chainrule
