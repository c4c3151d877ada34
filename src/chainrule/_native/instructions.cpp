#include "instructions.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "shares.hpp"

namespace chainrule {

namespace {

constexpr int strip_blocks = 4;                 // of rows that a product takes at once, at most
constexpr std::size_t next_cache = 256 * 1024;  // a good part of the second one

// A sum of numbers is kept in double precision, wherever it lies.
template <class T>
double number_at(const T* place) {
    double sum;
    std::memcpy(&sum, place, sizeof sum);
    return sum;
}

}  // namespace

template <class T>
Instructions<T>::Instructions(const Plan& plan, const Kernels<T>& kernels)
    : plan_(plan), kernels_(kernels), panel_(kernels.panel_width), tile_room_(plan) {
    if (tile_room_.size() > 0 && !kernels.tiles)
        throw std::invalid_argument("these kernels have no tiles of bfloat16");
    std::size_t places = 1;
    for (const auto& instruction : plan.instructions) {
        places = std::max(places, instruction.registers + instruction.operands.size());
        if (is_vector_op(instruction.op) && instruction.integers[0] > 1) {
            const auto width = plan.buffers[instruction.a].columns / instruction.integers[0];
            places = std::max<std::size_t>(
                places, 2 * rounded_up(static_cast<int>(width), panel_));  // of_vectors
        }
    }
    // The blocks of a strip are for a product's own result.
    std::size_t strip = static_cast<std::size_t>(strip_blocks) * max_block_rows * panel_;
    for (const auto& instruction : plan.instructions)
        if (may_skip(instruction)) strip = std::max(strip, sparse_size());
    scratch_size_ = (places + 1) * max_block_rows * panel_ + strip + tile_room_.size();
}

template <class T>
double Instructions<T>::work_of(int number, const Workspace<T>& at) const {
    const Instruction& instruction = plan_.instructions[number];
    const auto elements = [&](int buffer) {
        return buffer < 0
                   ? 0.0
                   : static_cast<double>(at.rows_of(buffer)) * std::max(1, at.columns_of(buffer));
    };
    if (is_move(instruction.op)) return elements(instruction.out);
    switch (instruction.op) {
        case Opcode::nn:
            return elements(instruction.a) * at.columns_of(instruction.b) / 16;
        case Opcode::tn:
            return elements(instruction.a) * at.columns_of(instruction.b) / 16 +
                   static_cast<double>(instruction.code.size()) * at.columns_of(instruction.a) *
                       at.columns_of(instruction.b) / 8;
        case Opcode::nn_bfloat16:
        case Opcode::nt_bfloat16:
            return elements(instruction.a) * at.columns_of_product(instruction) / 200 +
                   (elements(instruction.a) + elements(instruction.b)) / 8;
        case Opcode::tn_bfloat16:
            return elements(instruction.a) * at.columns_of(instruction.b) / 200 +
                   (elements(instruction.a) + elements(instruction.b)) / 8 +
                   static_cast<double>(instruction.code.size()) * at.columns_of(instruction.a) *
                       at.columns_of(instruction.b) / 8;
        case Opcode::elementwise:
            return elements(instruction.out) * static_cast<double>(instruction.code.size()) / 8;
        case Opcode::dropout_mask:
            return elements(instruction.out);
        case Opcode::normal_noise:
            return elements(instruction.out) * 6;
        case Opcode::random_flip:
        case Opcode::random_shift:
            return elements(instruction.out) * 2;
        default:
            return elements(instruction.a);
    }
}

template <class T>
Division Instructions<T>::division_of(int number, const Workspace<T>& at, int threads) const {
    // Below so many nanoseconds one thread does it, which saves meeting the others.
    constexpr double worth_sharing = 1000;
    const Instruction& instruction = plan_.instructions[number];
    const auto of_batch = [&](int buffer) {
        return buffer >= 0 && plan_.buffers[buffer].rows == batch_rows;
    };
    if (is_move(instruction.op))
        return of_batch(instruction.out) ? Division::rows : Division::whole;
    switch (instruction.op) {
        case Opcode::total:
        case Opcode::scatter_add:
            return Division::whole;
        case Opcode::tn:
        case Opcode::tn_bfloat16:
        case Opcode::nn_bfloat16:
        case Opcode::nt_bfloat16:
        case Opcode::column_sum:
            return Division::units;
        case Opcode::nn: {
            // By rows each thread reads all of b, else all of a, and who goes on with the result
            // what others made of it.
            const std::int64_t rows = at.rows_of(instruction.a),
                               depth = at.columns_of(instruction.a);
            const std::int64_t columns = at.columns_of(instruction.b);
            const bool by_rows = depth * columns <= rows * (depth + columns) &&
                                 rows >= static_cast<std::int64_t>(threads) * kernels_.tile_rows;
            return by_rows && of_batch(instruction.a) && !of_batch(instruction.b) ? Division::rows
                                                                                  : Division::units;
        }
        case Opcode::transpose:
            break;
        case Opcode::elementwise:
            if (of_batch(instruction.out) &&
                plan_.buffers[instruction.out].layout == Layout::matrix)
                return Division::rows;
            break;
        default:
            if (of_batch(instruction.out)) return Division::rows;
    }
    return work_of(number, at) > worth_sharing ? Division::units : Division::whole;
}

template <class T>
void Instructions<T>::carry_out(int number, Workspace<T>& at, T* scratch, const Part& part) {
    const Instruction& instruction = plan_.instructions[number];
    if (is_move(instruction.op)) return move(instruction, at, part);
    switch (instruction.op) {
        case Opcode::nn:
            return product_nn(number, at, scratch, part);
        case Opcode::tn:
            return product_tn(number, at, scratch, part);
        case Opcode::nn_bfloat16:
        case Opcode::nt_bfloat16:
            return tiles_nn(number, at, scratch, part);
        case Opcode::tn_bfloat16:
            return tiles_tn(number, at, scratch, part);
        case Opcode::column_sum:
            return sum_columns(number, at, scratch, part);
        case Opcode::elementwise:
            return elementwise(number, at, scratch, part);
        case Opcode::softmax:
        case Opcode::log_softmax:
        case Opcode::row_sum:
        case Opcode::row_sum_of_squares:
        case Opcode::row_max:
        case Opcode::row_argmax:
        case Opcode::sparse_cross_entropy:
        case Opcode::transpose:
            return rowwise(instruction, at, scratch, part);
        case Opcode::dropout_mask:
        case Opcode::normal_noise:
        case Opcode::random_flip:
        case Opcode::random_shift:
            return draw(instruction, at, part);
        default:
            if (part.index == 0) whole(instruction, at);
    }
}

// How many vectors of a panel of a matrix with so many columns hold any of them.
template <class T>
int Instructions<T>::vectors_of(int columns, int panel) const {
    return columns - panel * panel_ > panel_ / 2 ? 2 : 1;
}

// Runs the code of an instruction on a block: `rows` rows from `row` of one panel of its space,
// which has so many columns. A single element may be read as a scalar: a vector of it.
template <class T>
void Instructions<T>::finish(int number, const Workspace<T>& at, T* block, int panel, int row,
                             int rows, int columns, T* scratch) const {
    const bool single = rows == 1 && columns == 1;
    if (single && block) std::fill_n(block + 1, panel_ - 1, block[0]);
    const auto& code = plan_.instructions[number].code;
    if (code.empty()) return;
    Operand<T> operands[scratch_register];
    const int count = at.operands(number, block, panel, row, operands);
    kernels_.elementwise(code.data(), static_cast<int>(code.size()), operands, count, rows,
                         single ? 2 : vectors_of(columns, panel), scratch);
}

template <class T>
void Instructions<T>::product_nn(int number, const Workspace<T>& at, T* scratch,
                                 const Part& part) const {
    const Instruction& instruction = plan_.instructions[number];
    const int rows = at.rows_of(instruction.a), depth = at.columns_of(instruction.a);
    const int columns = at.columns_of(instruction.b), panels = rounded_up(columns, panel_);
    const Share own_rows = part.rows(rows);
    if (skips(instruction, at, own_rows)) return sparse_nn(number, at, scratch, part, own_rows);
    const int given = own_rows.size();
    // So much of the right matrix stays in the nearest cache while the rows of a strip pass by, and
    // the strip in the next one while the panels do.
    constexpr int depth_at_once = 256;
    const int fitting = static_cast<int>(next_cache / sizeof(T)) / std::max(depth, 1);
    const int most = std::clamp(fitting / max_block_rows, 1, strip_blocks) * max_block_rows;
    // Strips of equal height, and some for each part.
    const int wanted = part.division == Division::units ? rounded_up(4 * part.count, panels) : 1;
    const int strips = std::max(rounded_up(given, most),
                                std::min(wanted, rounded_up(given, 2 * kernels_.tile_rows)));
    T* const own = scratch;
    scratch += strip_blocks * max_block_rows * panel_;
    const T* a = at.data(instruction.a);
    const std::size_t a_panel = static_cast<std::size_t>(rows) * panel_;
    const Share share = part.units(strips * panels);
    for (int unit = share.begin; unit < share.end; ++unit) {
        const int panel = unit % panels;
        const Share strip(given, unit / panels, strips);
        const int row = own_rows.begin + strip.begin, count = strip.end - strip.begin;
        const int vectors = vectors_of(columns, panel);
        T* block = instruction.out < 0
                       ? own
                       : at.data(instruction.out) +
                             (static_cast<std::size_t>(panel) * rows + row) * panel_;
        const T* b = at.data(instruction.b) + static_cast<std::size_t>(panel) * depth * panel_;
        int k = 0;
        do {
            const int deep = std::min(depth_at_once, depth - k);
            each_tile(count, kernels_.tile_rows * 2 / vectors, [&](int first, int n) {
                kernels_.nn(
                    a + (k / panel_) * a_panel + static_cast<std::size_t>(row + first) * panel_,
                    a_panel, deep, b + static_cast<std::size_t>(k) * panel_, n, vectors, k > 0,
                    block + first * panel_);
            });
            k += deep;
        } while (k < depth);
        for (int first = 0; first < count; first += max_block_rows)
            finish(number, at, block + first * panel_, panel, row + first,
                   std::min(max_block_rows, count - first), columns, scratch);
    }
}

// One block of aᵀ b: the columns of panel `source` of a as rows, one panel of b.
template <class T>
void Instructions<T>::tn_block(const Instruction& instruction, const Workspace<T>& at, int panel,
                               int source, bool continues, T* block) const {
    const int samples = at.rows_of(instruction.a);
    const int count = std::min(panel_, at.columns_of(instruction.a) - source * panel_);
    const int vectors = vectors_of(at.columns_of(instruction.b), panel);
    const T* x = at.data(instruction.a) + static_cast<std::size_t>(source) * samples * panel_;
    const T* d = at.data(instruction.b) + static_cast<std::size_t>(panel) * samples * panel_;
    each_tile(count, kernels_.tile_rows * 2 / vectors, [&](int first, int n) {
        kernels_.tn(x + first, d, samples, n, vectors, continues, block + first * panel_);
    });
}

template <class T>
void Instructions<T>::product_tn(int number, const Workspace<T>& at, T* scratch,
                                 const Part& part) const {
    const Instruction& instruction = plan_.instructions[number];
    if (skips(instruction, at, Share(0, at.rows_of(instruction.a))))
        return sparse_tn(number, at, scratch, part);
    const int rows = at.columns_of(instruction.a), columns = at.columns_of(instruction.b);
    const int sources = rounded_up(rows, panel_), panels = rounded_up(columns, panel_);
    // So many panels of the left matrix stay in the next cache while those of the right pass by.
    const std::size_t bytes =
        static_cast<std::size_t>(at.rows_of(instruction.a)) * panel_ * sizeof(T);
    const int group =
        std::clamp(static_cast<int>(next_cache / std::max<std::size_t>(bytes, 1)), 1, sources);
    T* const own = scratch;
    scratch += max_block_rows * panel_;
    const Share share = part.units(sources * panels);
    for (int unit = share.begin; unit < share.end; ++unit) {
        const int from = unit / (group * panels) * group, within = unit - from * panels;
        const int many = std::min(group, sources - from);
        const int panel = within / many, source = from + within % many, row = source * panel_;
        T* block = instruction.out < 0
                       ? own
                       : at.data(instruction.out) +
                             (static_cast<std::size_t>(panel) * rows + row) * panel_;
        at.prefetch(number, panel, row, std::min(panel_, rows - row));
        tn_block(instruction, at, panel, source, false, block);
        finish(number, at, block, panel, row, std::min(panel_, rows - row), columns, scratch);
    }
}

template <class T>
void Instructions<T>::sum_columns(int number, const Workspace<T>& at, T* scratch,
                                  const Part& part) const {
    const Instruction& instruction = plan_.instructions[number];
    T* const own = scratch;
    scratch += max_block_rows * panel_;
    const Share share = part.units(at.panels_of(instruction.a));
    for (int panel = share.begin; panel < share.end; ++panel) {
        T* block = instruction.out < 0 ? own : at.data(instruction.out) + panel * panel_;
        kernels_.column_sum(at.data(instruction.a), at.rows_of(instruction.a), panel, block);
        finish(number, at, block, panel, 0, 1, at.columns_of(instruction.a), scratch);
    }
}

// The space of the code is that of `out`: a matrix, a column (as whole blocks of contiguous
// elements), or a scalar.
template <class T>
void Instructions<T>::elementwise(int number, const Workspace<T>& at, T* scratch,
                                  const Part& part) const {
    const Instruction& instruction = plan_.instructions[number];
    const Layout layout = plan_.buffers[instruction.out].layout;
    const int rows = at.rows_of(instruction.out);
    const Share height = part.rows(layout == Layout::matrix   ? rows
                                   : layout == Layout::scalar ? 1
                                                              : rounded_up(rows, panel_));
    const int chunks = rounded_up(height.end - height.begin, max_block_rows);
    const int columns = layout == Layout::matrix ? at.columns_of(instruction.out) : panel_;
    const int panels = rounded_up(columns, panel_);
    const Share share = part.units(chunks * panels);
    for (int unit = share.begin; unit < share.end; ++unit) {
        const int panel = unit / chunks, row = height.begin + unit % chunks * max_block_rows;
        finish(number, at, nullptr, panel, row, std::min(max_block_rows, height.end - row), columns,
               scratch);
    }
}

template <class T>
std::size_t Instructions<T>::sum_size(int number, const Workspace<T>& at) const {
    const Instruction& instruction = plan_.instructions[number];
    if (instruction.op == Opcode::total) return sizeof(double) / sizeof(T);
    const bool product = is_sum_product(instruction.op);
    const int rows = product ? at.columns_of(instruction.a) : 1;
    const int columns = at.columns_of(product ? instruction.b : instruction.a);
    return static_cast<std::size_t>(rounded_up(columns, panel_)) * rows * panel_;
}

template <class T>
void Instructions<T>::add_up(int number, const Workspace<T>& at, T* sums, bool continues,
                             T* scratch) const {
    const Instruction& instruction = plan_.instructions[number];
    if (instruction.op == Opcode::tn_bfloat16)
        return tiles_add_up(number, at, sums, continues, scratch);
    if (instruction.op == Opcode::total) {
        double sum = kernels_.total(at.data(instruction.a), at.rows_of(instruction.a));
        if (continues) sum += number_at(sums);
        std::memcpy(sums, &sum, sizeof sum);
    } else if (instruction.op == Opcode::tn) {
        if (skips(instruction, at, Share(0, at.rows_of(instruction.a))))
            return sparse_add_up(instruction, at, sums, continues);
        const int rows = at.columns_of(instruction.a);
        const int sources = rounded_up(rows, panel_);
        for (int panel = 0; panel < at.panels_of(instruction.b); ++panel)
            for (int source = 0; source < sources; ++source)
                tn_block(
                    instruction, at, panel, source, continues,
                    sums + (static_cast<std::size_t>(panel) * rows + source * panel_) * panel_);
    } else {
        T more[max_block_rows * 2];
        for (int panel = 0; panel < at.panels_of(instruction.a); ++panel, sums += panel_) {
            kernels_.column_sum(at.data(instruction.a), at.rows_of(instruction.a), panel, more);
            for (int i = 0; i < panel_; ++i) sums[i] = continues ? sums[i] + more[i] : more[i];
        }
    }
}

template <class T>
void Instructions<T>::add_groups(int number, const Workspace<T>& at, const T* sums,
                                 std::size_t stride, int groups, T* scratch) const {
    const Instruction& instruction = plan_.instructions[number];
    if (instruction.op == Opcode::total) {
        double sum = 0;
        for (int g = 0; g < groups; ++g) sum += number_at(sums + g * stride);
        return at.set_scalar(instruction.out, static_cast<T>(sum));
    }
    const bool product = is_sum_product(instruction.op);
    const int rows = product ? at.columns_of(instruction.a) : 1;
    const int columns = at.columns_of(product ? instruction.b : instruction.a);
    T* const own = scratch;
    scratch += max_block_rows * panel_;
    for (int panel = 0; panel < rounded_up(columns, panel_); ++panel)
        for (int row = 0; row < rows; row += max_block_rows) {
            const int count = std::min(max_block_rows, rows - row);
            const std::size_t offset = (static_cast<std::size_t>(panel) * rows + row) * panel_;
            T* block = instruction.out < 0 ? own : at.data(instruction.out) + offset;
            std::copy_n(sums + offset, count * panel_, block);
            for (int g = 1; g < groups; ++g)
                for (int i = 0; i < count * panel_; ++i) block[i] += sums[g * stride + offset + i];
            finish(number, at, block, panel, row, count, columns, scratch);
        }
}

template class Instructions<float>;
template class Instructions<double>;

}  // namespace chainrule
