// The instructions that go row by row, what is drawn for rows, and what only goes to another place.
#include <algorithm>

#include "instructions.hpp"
#include "noise.hpp"
#include "panels.hpp"

namespace chainrule {

template <class T>
void Instructions<T>::rowwise(const Instruction& instruction, const Workspace<T>& at, T* scratch,
                              const Part& part) const {
    const int rows = at.rows_of(instruction.a), columns = at.columns_of(instruction.a);
    const int out = instruction.out;
    const T* a = at.data(instruction.a);
    const bool by_panel = instruction.op == Opcode::transpose;
    const Share share = part.either(by_panel ? at.panels_of(instruction.a) : rows);
    const int begin = share.begin, end = share.end;
    if (by_panel)
        kernels_.transpose(a, rows, columns, begin, end, at.data(out));
    else if (instruction.op == Opcode::sparse_cross_entropy)
        kernels_.sparse_cross_entropy(a, at.integers(instruction.b), rows, columns, begin, end,
                                      at.data(out),
                                      instruction.also < 0 ? nullptr : at.data(instruction.also));
    else if (instruction.integers[0] > 1)
        of_vectors(instruction, at, scratch, share);
    else
        of_rows(instruction.op, a, rows, columns, begin, end, at.data(out), at.integers(out));
    if (plan_.buffers[out].layout == Layout::scalar && begin < end)
        at.set_scalar(out, at.data(out)[0]);
}

template <class T>
void Instructions<T>::of_rows(Opcode op, const T* a, int rows, int columns, int begin, int end,
                              T* out, std::int64_t* integers) const {
    switch (op) {
        case Opcode::softmax:
            return kernels_.softmax(a, rows, columns, begin, end, out);
        case Opcode::log_softmax:
            return kernels_.log_softmax(a, rows, columns, begin, end, out);
        case Opcode::row_sum:
            return kernels_.row_sum(a, rows, columns, begin, end, out);
        case Opcode::row_sum_of_squares:
            return kernels_.row_sum_of_squares(a, rows, columns, begin, end, out);
        case Opcode::row_max:
            return kernels_.row_max(a, rows, columns, begin, end, out);
        default:
            return kernels_.row_argmax(a, rows, columns, begin, end, integers);
    }
}

// Of each of the vectors side by side in a row, those of some rows at a time as a matrix.
template <class T>
void Instructions<T>::of_vectors(const Instruction& instruction, const Workspace<T>& at, T* scratch,
                                 const Share& share) const {
    const Opcode op = instruction.op;
    const int rows = at.rows_of(instruction.a);
    const int count = static_cast<int>(instruction.integers[0]);
    const int width = at.columns_of(instruction.a) / count;
    const bool alike = op == Opcode::softmax || op == Opcode::log_softmax;
    const int made_width = alike ? width : 1;
    T* const made = scratch + rounded_up(width, panel_) * max_block_rows * panel_;
    std::int64_t numbers[max_block_rows];
    for (int row = share.begin; row < share.end; row += max_block_rows) {
        const int n = std::min(max_block_rows, share.end - row);
        for (int k = 0; k < count; ++k) {
            for (int j = 0; j < width; ++j) {
                const T* const from = at.data(instruction.a) + place(rows, row, k * width + j);
                T* const to = scratch + place(n, 0, j);
                for (int i = 0; i < n; ++i) to[i * panel_] = from[i * panel_];
            }
            of_rows(op, scratch, n, width, 0, n, made, numbers);
            if (op == Opcode::row_argmax) {
                for (int i = 0; i < n; ++i)
                    at.integers(instruction.out)[static_cast<std::ptrdiff_t>(row + i) * count + k] =
                        numbers[i];
                continue;
            }
            const int step = alike ? panel_ : 1;  // a number a vector lies as a column
            for (int j = 0; j < made_width; ++j) {
                const T* const from = made + (alike ? place(n, 0, j) : 0);
                T* const to = at.data(instruction.out) + place(rows, row, k * made_width + j);
                for (int i = 0; i < n; ++i) to[i * panel_] = from[i * step];
            }
        }
    }
}

// What random numbers decide: masks, noise, and how images are changed.
template <class T>
void Instructions<T>::draw(const Instruction& instruction, const Workspace<T>& at,
                           const Part& part) const {
    const int out = instruction.out;
    const int rows = at.rows_of(out), columns = at.columns_of(out);
    const Share share = part.either(rows);
    const int begins = plan_.buffers[out].rows == batch_rows ? at.first_row : 0;
    const auto& integers = instruction.integers;
    const auto whole = [&](int i) { return static_cast<int>(integers[i]); };
    const auto stream = static_cast<std::uint32_t>(integers[0]);
    const ImageShape shape{whole(1), whole(2), whole(3)};
    T* const to = at.data(out);
    switch (instruction.op) {
        case Opcode::dropout_mask: {
            auto key = at.key(instruction.a);
            if (integers[1] > 0) {
                const std::uint64_t counter = key[2] | static_cast<std::uint64_t>(key[3]) << 32;
                const auto cycle = static_cast<std::uint64_t>(integers[1]);
                key[2] = static_cast<std::uint32_t>(counter % cycle);
                key[3] = 0;
            }
            dropout_panels(kernels_, key.data(), stream, instruction.real, rows, columns, to,
                           share.begin, share.end, begins);
            break;
        }
        case Opcode::normal_noise:
            normal_panels(kernels_, at.key(instruction.a).data(), stream, rows, columns, to,
                          share.begin, share.end, begins);
            break;
        case Opcode::random_flip:
            flip_panels(at.key(instruction.b).data(), stream, shape, whole(4),
                        at.data(instruction.a), rows, panel_, to, share.begin, share.end, begins);
            break;
        default:
            shift_panels(at.key(instruction.b).data(), stream, shape, whole(4), whole(5),
                         integers[6] != 0, at.data(instruction.a), rows, panel_, to, share.begin,
                         share.end, begins);
    }
    if (plan_.buffers[out].layout == Layout::scalar && share.begin < share.end)
        at.set_scalar(out, to[0]);
}

// Element (row, column) of a matrix with so many rows.
template <class T>
std::size_t Instructions<T>::place(int rows, int row, int column) const {
    return (static_cast<std::size_t>(column / panel_) * rows + row) * panel_ + column % panel_;
}

// Where a buffer's column begins, and how far apart its rows are.
template <class T>
typename Instructions<T>::Line Instructions<T>::line(const Workspace<T>& at, int buffer,
                                                     int column) const {
    switch (plan_.buffers[buffer].layout) {
        case Layout::column:
            return {0, 1};
        case Layout::integers:
            return {column, at.columns_of(buffer)};
        default:
            return {static_cast<std::ptrdiff_t>(place(at.rows_of(buffer), 0, column)), panel_};
    }
}

// Elements are numbered row after row, those of a batch in each row.
template <class T>
template <class E>
void Instructions<T>::strided(const Instruction& instruction, const Workspace<T>& at,
                              const Share& rows, const E* a, E* to) const {
    const int from = instruction.a, out = instruction.out;
    const auto& integers = instruction.integers;
    int axes = 0;
    while (axes < most_axes && integers[1 + 2 * axes] > 0) ++axes;
    const auto source = [&](std::int64_t number) {
        std::int64_t found = integers[0];
        for (int axis = axes; axis-- > 0; number /= integers[1 + 2 * axis])
            found += number % integers[1 + 2 * axis] * integers[2 + 2 * axis];
        return found;
    };
    const int columns = at.columns_of(out), from_columns = at.columns_of(from);
    for (int j = 0; j < columns; ++j) {
        const Line line = this->line(at, out, j);
        if (plan_.buffers[out].rows == batch_rows) {
            const Line read = this->line(at, from, static_cast<int>(source(j)));
            for (int i = rows.begin; i < rows.end; ++i)
                to[line.begin + i * line.step] = a[read.begin + i * read.step];
            continue;
        }
        for (int i = rows.begin; i < rows.end; ++i) {
            const auto number = source(static_cast<std::int64_t>(i) * columns + j);
            const Line read = this->line(at, from, static_cast<int>(number % from_columns));
            to[line.begin + i * line.step] = a[read.begin + number / from_columns * read.step];
        }
    }
}

// What only goes to another place, row by row.
template <class T>
void Instructions<T>::move(const Instruction& instruction, const Workspace<T>& at,
                           const Part& part) {
    const int out = instruction.out, n = at.rows_of(out);
    const Share rows = part.either(n);
    T* const to = at.data(out);
    const T* const a = at.data(instruction.a);
    const std::int64_t* const integers =
        at.integers(instruction.op == Opcode::gather ? instruction.b : instruction.a);
    switch (instruction.op) {
        case Opcode::to_real: {
            const int columns = at.columns_of(out);
            for (int j = 0; j < columns; ++j) {
                const Line line = this->line(at, out, j);
                for (int i = rows.begin; i < rows.end; ++i)
                    to[line.begin + i * line.step] =
                        static_cast<T>(integers[static_cast<std::ptrdiff_t>(i) * columns + j]);
            }
            break;
        }
        case Opcode::strided:
            if (plan_.buffers[out].layout == Layout::integers)
                return strided(instruction, at, rows, integers, at.integers(out));
            strided(instruction, at, rows, a, to);
            break;
        case Opcode::one_hot: {
            const int each = at.columns_of(instruction.a), depth = at.columns_of(out) / each;
            for (int panel = 0; panel < at.panels_of(out); ++panel)
                std::fill(to + place(n, rows.begin, panel * panel_),
                          to + place(n, rows.end, panel * panel_), T(0));
            for (int i = rows.begin; i < rows.end; ++i)
                for (int k = 0; k < each; ++k) {
                    const auto label = integers[static_cast<std::ptrdiff_t>(i) * each + k];
                    if (label >= 0 && label < depth)
                        to[place(n, i, k * depth + static_cast<int>(label))] = T(1);
                }
            return;
        }
        case Opcode::copy_columns: {
            const int from = static_cast<int>(instruction.integers[0]);
            const int begin = static_cast<int>(instruction.integers[1]);
            const int count = static_cast<int>(instruction.integers[2]);
            for (int j = 0; j < count; ++j)
                for (int i = rows.begin; i < rows.end; ++i)
                    to[place(n, i, begin + j)] = a[place(n, i, from + j)];
            return;
        }
        case Opcode::fold_columns: {
            const int columns = at.columns_of(out);
            for (int j = 0; j < at.columns_of(instruction.a); ++j)
                for (int i = rows.begin; i < rows.end; ++i) {
                    T& sum = to[place(n, i, j % columns)];
                    sum = (j < columns ? T(0) : sum) + a[place(n, i, j)];
                }
            return;
        }
        default: {
            const int table_rows = at.rows_of(instruction.a);
            const int each = at.columns_of(instruction.b), columns = at.columns_of(instruction.a);
            for (int i = rows.begin; i < rows.end; ++i)
                for (int k = 0; k < each; ++k) {
                    const auto row = integers[static_cast<std::ptrdiff_t>(i) * each + k];
                    if (row < 0 || row >= table_rows) {
                        out_of_range = true;
                        continue;
                    }
                    for (int j = 0; j < columns; ++j)
                        to[place(n, i, k * columns + j)] =
                            a[place(table_rows, static_cast<int>(row), j)];
                }
        }
    }
    if (plan_.buffers[out].layout == Layout::scalar) at.set_scalar(out, to[0]);
}

// What one thread does.
template <class T>
void Instructions<T>::whole(const Instruction& instruction, const Workspace<T>& at) {
    const int out = instruction.out, n = at.rows_of(instruction.a);
    const T* const a = at.data(instruction.a);
    if (instruction.op == Opcode::total)
        return at.set_scalar(out, static_cast<T>(kernels_.total(a, n)));
    // scatter_add
    T* const to = at.data(out);
    const int each = at.columns_of(instruction.b), columns = at.columns_of(instruction.a) / each;
    const int total = at.rows_of(out);
    std::fill_n(to, static_cast<std::size_t>(at.panels_of(out)) * total * panel_, T(0));
    for (int i = 0; i < n; ++i)
        for (int k = 0; k < each; ++k) {
            const auto row = at.integers(instruction.b)[static_cast<std::ptrdiff_t>(i) * each + k];
            if (row < 0 || row >= total) {
                out_of_range = true;
                continue;
            }
            for (int j = 0; j < columns; ++j)
                to[place(total, static_cast<int>(row), j)] += a[place(n, i, k * columns + j)];
        }
    if (plan_.buffers[out].layout == Layout::scalar) at.set_scalar(out, to[0]);
}

template void Instructions<float>::rowwise(const Instruction&, const Workspace<float>&, float*,
                                           const Part&) const;
template void Instructions<float>::draw(const Instruction&, const Workspace<float>&,
                                        const Part&) const;
template void Instructions<float>::move(const Instruction&, const Workspace<float>&, const Part&);
template void Instructions<float>::whole(const Instruction&, const Workspace<float>&);
template void Instructions<double>::rowwise(const Instruction&, const Workspace<double>&, double*,
                                            const Part&) const;
template void Instructions<double>::draw(const Instruction&, const Workspace<double>&,
                                         const Part&) const;
template void Instructions<double>::move(const Instruction&, const Workspace<double>&, const Part&);
template void Instructions<double>::whole(const Instruction&, const Workspace<double>&);

}  // namespace chainrule
