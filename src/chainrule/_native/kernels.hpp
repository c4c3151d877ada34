// What every instruction set provides, as a table of functions chosen at run time.
//
// An R × C matrix lies in panels of P = panel_width columns (two vectors): element (r, c) is
// data[((c / P) * R + r) * P + c % P]. The lanes beyond C in the last panel are padding: they may
// hold anything, and nothing computed from them reaches a real element. A column of R numbers is R
// contiguous elements. A block is rows × P contiguous elements of one panel.
#pragma once
#include <cstddef>
#include <cstdint>

#include "draw.hpp"

namespace chainrule {

// What one micro-operation does to each element: dst ← f(a, b, c).
enum class Micro : std::uint8_t {
    copy,
    add,
    subtract,
    multiply,
    divide,
    power,
    maximum,
    minimum,
    greater,
    greater_equal,
    equal,
    select,        // select: a ≠ 0 ? b : c
    multiply_add,  // a b + c, rounded once where the hardware can
    negative,
    exp,
    expm1,
    log,
    log1p,
    sqrt,
    square,
    abs,
    sign,
    sin,
    cos,
    erf,
    sigmoid,
    tanh,
    relu,
    softplus,
    bfloat16,            // rounded to 8 significant bits
    average,             // c a + d b: an exponential average of a and b
    average_of_squares,  // c a + d b²
    adam_step,           // a − d b / (√c + e)
    descend,             // a − c b
    momentum,            // d a − c b
    normalize,           // (a − b) / √(c + d)
    // Two of the above at once, with the same bits: one pass over the numbers instead of two.
    add_relu,          // relu(a + b)
    greater_multiply,  // (a > b) c
    descend_multiply,  // d (a − c b)
    // Adam's three at once, of w, m, v and the gradient: m' and v' as averages with two numbers
    // each, then w'; the last two sources are where m' and v' go.
    adam,
    count_
};

inline constexpr const char* micro_names[] = {
    "copy",
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "maximum",
    "minimum",
    "greater",
    "greater_equal",
    "equal",
    "select",
    "multiply_add",
    "negative",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "square",
    "abs",
    "sign",
    "sin",
    "cos",
    "erf",
    "sigmoid",
    "tanh",
    "relu",
    "softplus",
    "bfloat16",
    "average",
    "average_of_squares",
    "adam_step",
    "descend",
    "momentum",
    "normalize",
    "add_relu",
    "greater_multiply",
    "descend_multiply",
    "adam",
};
static_assert(sizeof micro_names / sizeof *micro_names == static_cast<std::size_t>(Micro::count_));

// The places of a micro-operation: an operand's number, or scratch_register + k for the k-th
// register.
inline constexpr int scratch_register = 64;
inline constexpr int max_block_rows = 32, max_sources = 12;

struct MicroOp {
    Micro op;
    std::uint8_t dst;
    std::uint8_t sources[max_sources];  // a, b, c, ...
};

// How an operand lies under a block: all its elements; one row for all rows; one element for each
// row; one element for all, given as a whole vector of it. Only `full` operands are written to.
enum class Spread : std::uint8_t { full, row, column, scalar };

template <class T>
struct Operand {
    T* data;                     // where this block's part begins
    std::ptrdiff_t row, vector;  // steps from row to row and to a row's second vector
};

template <class T>
constexpr Operand<T> operand(T* data, Spread spread, int panel_width) {
    switch (spread) {
        case Spread::full:
            return {data, panel_width, panel_width / 2};
        case Spread::row:
            return {data, 0, panel_width / 2};
        case Spread::column:
            return {data, 1, 0};
        default:
            return {data, 0, 0};
    }
}

// Products of float32 matrices whose factors are rounded to bfloat16 on the way, as the
// micro-operation rounds them; sums in float32. The factors are packed: of the left one up to
// tile_side rows, of the right one up to tile_side columns, for each tile_depth of the depth in one
// step of tile_step words, zero where the factor has ended.
inline constexpr int tile_side = 32, tile_depth = 32, tile_step = tile_side * tile_depth / 2;

struct Bfloat16Tiles {
    // Whether the system lets this process use the tiles.
    bool (*permitted)();
    // Around products, in the thread that multiplies.
    void (*begin)();
    void (*end)();
    // Packs `rows` rows of a matrix whose panels are `panel` elements apart, from the first one:
    // rows of a left factor, or the columns of a right one that is given transposed.
    void (*pack_rows)(const float* from, std::size_t panel, int rows, int depth, bool left,
                      std::uint32_t* to);
    // Packs the columns of one panel of `depth` rows: columns of a right factor, or the rows of a
    // left one that is given transposed.
    void (*pack_columns)(const float* from, int depth, bool left, std::uint32_t* to);
    // out, a block of `rows` ≤ tile_side, of which the first `vectors` are computed: the product
    // of so many steps, added to what `out` holds if it `continues`. Sums run over ascending steps.
    void (*multiply)(const std::uint32_t* left, const std::uint32_t* right, int steps, int rows,
                     int vectors, bool continues, float* out);
};

template <class T>
struct Kernels {
    const char* isa;
    int vector_width, panel_width;
    // The most rows of a tile of `nn` and `tn` that is two vectors wide; of one that is one vector
    // wide, twice as many. At most max_block_rows.
    int tile_rows;

    // The micro-operations in order, on a block of `rows` ≤ max_block_rows; of each row only the
    // first `vectors` (1 or 2) vectors are computed. `scratch` holds (registers + operands) ×
    // max_block_rows × panel_width elements.
    void (*elementwise)(const MicroOp* code, int length, const Operand<T>* operands,
                        int operand_count, int rows, int vectors, T* scratch);

    // Products, one tile: out, a block of `rows`; only its first `vectors` (1 or 2) vectors are
    // computed. Sums run over ascending k, in one chain of fused multiply-adds for each
    // element, which begins at what `out` holds if it `continues` and at zero otherwise.
    // nn: out(i, j) = Σₖ a(i, k) b(k, j); `a` is at row i = 0 of its panel 0, whose panels are
    // `a_panel` elements apart; `b` is one panel, k rows.
    void (*nn)(const T* a, std::size_t a_panel, int k, const T* b, int rows, int vectors,
               bool continues, T* out);
    // tn: out(i, j) = Σₛ x(s, i) d(s, j) over s < samples; `x` is at (row 0, column i = 0) within
    // one panel, `d` is one panel, both of `samples` rows.
    void (*tn)(const T* x, const T* d, int samples, int rows, int vectors, bool continues, T* out);

    // The same products without the terms whose factor of the left matrix is zero, 64 terms of the
    // sums at a time. They end at the same numbers where the right matrix is finite.
    int most_vectors;  // of a row that one call computes, side by side in neighbouring panels
    // Which are not zero: bit j of bits[i] says it of a(i, j), j < k ≤ 64, and returned is how
    // many; of columns, bit s of bits[i] says it of x(s, i), s < samples ≤ 64, for each i of a
    // panel.
    std::int64_t (*nonzeros_of_rows)(const T* a, std::size_t a_panel, int k, int rows,
                                     std::uint64_t* bits);
    std::int64_t (*nonzeros_of_columns)(const T* x, int samples, std::uint64_t* bits);
    void (*nn_nonzeros)(const T* a, std::size_t a_panel, const std::uint64_t* bits, const T* b,
                        std::size_t b_panel, int rows, int vectors, bool continues, T* out,
                        std::size_t out_panel);
    void (*tn_nonzeros)(const T* x, const std::uint64_t* bits, const T* d, std::size_t d_panel,
                        int rows, int vectors, bool continues, T* out, std::size_t out_panel);
    // Whether some rows of the first columns, whose panels are `x_panel` elements apart, hold
    // neither an infinite number nor NaN.
    bool (*all_finite)(const T* x, std::size_t x_panel, int rows, int columns);

    // The transpose of an R × C matrix into a C × R matrix: source panels [first, last) of columns.
    void (*transpose)(const T* from, int rows, int columns, int first, int last, T* to);

    // Rows [first, last) of an R × C matrix in panels.
    void (*softmax)(const T* x, int rows, int columns, int first, int last, T* out);
    void (*log_softmax)(const T* x, int rows, int columns, int first, int last, T* out);
    void (*row_sum)(const T* x, int rows, int columns, int first, int last, T* column_out);
    void (*row_sum_of_squares)(const T* x, int rows, int columns, int first, int last,
                               T* column_out);
    void (*row_max)(const T* x, int rows, int columns, int first, int last, T* column_out);
    void (*row_argmax)(const T* x, int rows, int columns, int first, int last, std::int64_t* out);
    // log Σⱼ exp xⱼ − x[label] of each row; where `error` is not null also its derivative by x, the
    // softmax less one at the label.
    void (*sparse_cross_entropy)(const T* x, const std::int64_t* labels, int rows, int columns,
                                 int first, int last, T* column_out, T* error);
    // Σ over all rows of one panel: panel_width sums, in one fixed order.
    void (*column_sum)(const T* x, int rows, int panel, T* out);
    // Σ of n contiguous elements in one fixed order, in double precision.
    double (*total)(const T* x, std::size_t n);

    PhiloxBlocks philox;  // blocks of random words
    // Two normal numbers for each two longs, and as many as fill a vector: noise.hpp says how much
    // room that takes.
    void (*normals)(const std::uint64_t* longs, int pairs, double* out);
    // out, a row of panels that are `stride` elements apart: `kept` where a half is at least
    // `threshold`, else 0. As many halves are read as fill whole panels.
    void (*mask)(const std::uint16_t* halves, int columns, int threshold, T kept, T* out,
                 std::size_t stride);

    const Bfloat16Tiles* tiles = nullptr;  // null where there are none, and for doubles
};

// The table of an instruction set ("amx", "avx512", "avx2", "portable"), or null where it was not
// compiled or this machine lacks it.
template <class T>
const Kernels<T>* kernels(const char* isa);

// The fastest instruction set of this machine, or what CHAINRULE_ISA names.
const char* chosen_isa();

}  // namespace chainrule
