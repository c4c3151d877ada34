// A plan: a program lowered to instructions over numbered buffers, as plain data. It knows no
// graph, no gradient and no layer; how buffers lie in memory is in kernels.hpp.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace chainrule {

inline constexpr int batch_rows = -1;  // a buffer with as many rows as the batch has
inline constexpr int most_axes = 8;    // of a copy along strides

enum class Opcode : std::uint8_t {
    nn,           // out ← a b, then code on each finished tile
    tn,           // out ← aᵀ b, then code on each finished tile
    nn_bfloat16,  // as nn with factors rounded to bfloat16 on the way, where kernels have tiles
    nt_bfloat16,  // out ← a bᵀ, likewise
    tn_bfloat16,  // as tn, likewise
    column_sum,   // out, one row ← sums of a's columns, then code on them
    elementwise,  // code on all operands
    transpose,    // out ← aᵀ
    softmax,      // of each row, or of each of several vectors side by side in a row, as all
    log_softmax,  // down to row_argmax, which make a column, or a matrix of one for each vector
    row_sum,
    row_sum_of_squares,
    row_max,               // matrix → column
    row_argmax,            // matrix → column of integers
    sparse_cross_entropy,  // logits a, labels b → column; its derivative → the matrix `also`
    total,                 // column → scalar
    one_hot,               // integers, some a row → matrix, a vector for each side by side
    gather,                // table a and integers b → matrix, a row of the table for each
    scatter_add,           // its transpose: matrix a and integers b → table
    dropout_mask,          // key a → matrix
    normal_noise,
    random_flip,  // images a, key b → matrix
    random_shift,
    to_real,       // integers → column or matrix
    strided,       // elements of a, of a batch in each row, in the order that strides say
    copy_columns,  // columns [from, from + count) of a to columns [to, …) of out
    fold_columns,  // what lies side by side in a, each as wide as out, added up
    count_
};

// Products that make a row of each row of a, and those that sum over the rows.
constexpr bool is_row_product(Opcode op) {
    return op == Opcode::nn || op == Opcode::nn_bfloat16 || op == Opcode::nt_bfloat16;
}
constexpr bool is_sum_product(Opcode op) { return op == Opcode::tn || op == Opcode::tn_bfloat16; }

// Softmax and reductions of vectors.
constexpr bool is_vector_op(Opcode op) { return op >= Opcode::softmax && op <= Opcode::row_argmax; }

// What goes to another place, row by row.
constexpr bool is_move(Opcode op) {
    return op == Opcode::one_hot || op == Opcode::gather || op == Opcode::to_real ||
           op == Opcode::strided || op == Opcode::copy_columns || op == Opcode::fold_columns;
}

enum class Layout : std::uint8_t { scalar, column, matrix, integers, key };

struct Buffer {
    Layout layout;
    int rows;  // or batch_rows
    int columns;
};

struct Instruction {
    Opcode op;
    int out = -1, a = -1, b = -1;
    int also = -1;  // a second result
    // For tiles and elementwise code: operand i of the code is buffer operands[i], or the product's
    // or sum's own block where that is −1.
    std::vector<MicroOp> code;
    std::vector<int> operands;
    std::vector<Spread> spreads;
    int registers = 0;
    // of vectors: how many in a row, 0 where the row is one; strided: the number of the first
    // element, then size and stride of each axis; copy_columns: from, to, count; of what is drawn:
    // stream, then for dropout cycle; for images height, width, channels, then for flips axis; for
    // shifts rows, columns, whether back
    std::array<std::int64_t, 1 + 2 * most_axes> integers{};
    double real = 0;  // dropout: rate
};

struct Plan {
    std::vector<Buffer> buffers;
    std::vector<Instruction> instructions;
    int batch_size = -1;        // the buffer that holds the number of rows, if there is one
    std::vector<int> assigned;  // the buffers that a step leaves behind for the next one
};

// What the rows of the data are made of.
enum class Element : std::uint8_t { float32, float64, uint8, int64 };

// Rows of the data: a row-major array of `columns` numbers a row.
struct Source {
    const void* data;
    Element element;
    int buffer;
};

// Where a value of each row goes that the caller wants of all rows, in the order they are taken:
// elements of a plan's own type, or 64-bit integers.
struct Destination {
    void* data;
    int buffer;
};

// A column of the step table: one number a step for a scalar, or four words for a key.
struct TableColumn {
    const double* numbers;       // or null
    const std::uint32_t* words;  // or null
    int buffer;
};

}  // namespace chainrule
