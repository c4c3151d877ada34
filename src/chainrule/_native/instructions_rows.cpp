// The instructions that go row by row, what is drawn for rows, and what only goes to another place.
#include <algorithm>

#include "instructions.hpp"
#include "noise.hpp"
#include "panels.hpp"

namespace chainrule {

template <class T>
void Instructions<T>::rowwise(const Instruction& instruction, const Workspace<T>& at,
                              const Part& part) const {
    const int rows = at.rows_of(instruction.a), columns = at.columns_of(instruction.a);
    const int out = instruction.out;
    const T* a = at.data(instruction.a);
    const bool by_panel = instruction.op == Opcode::transpose;
    const Share share = part.either(by_panel ? at.panels_of(instruction.a) : rows);
    const int begin = share.begin, end = share.end;
    switch (instruction.op) {
        case Opcode::softmax:
            kernels_.softmax(a, rows, columns, begin, end, at.data(out));
            break;
        case Opcode::log_softmax:
            kernels_.log_softmax(a, rows, columns, begin, end, at.data(out));
            break;
        case Opcode::row_sum:
            kernels_.row_sum(a, rows, columns, begin, end, at.data(out));
            break;
        case Opcode::row_sum_of_squares:
            kernels_.row_sum_of_squares(a, rows, columns, begin, end, at.data(out));
            break;
        case Opcode::row_max:
            kernels_.row_max(a, rows, columns, begin, end, at.data(out));
            break;
        case Opcode::row_argmax:
            kernels_.row_argmax(a, rows, columns, begin, end, at.integers(out));
            break;
        case Opcode::sparse_cross_entropy:
            kernels_.sparse_cross_entropy(
                a, at.integers(instruction.b), rows, columns, begin, end, at.data(out),
                instruction.also < 0 ? nullptr : at.data(instruction.also));
            break;
        default:
            kernels_.transpose(a, rows, columns, begin, end, at.data(out));
    }
    if (plan_.buffers[out].layout == Layout::scalar && begin < end)
        at.set_scalar(out, at.data(out)[0]);
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

// What only goes to another place, row by row.
template <class T>
void Instructions<T>::move(const Instruction& instruction, const Workspace<T>& at,
                           const Part& part) {
    const int out = instruction.out, n = at.rows_of(out);
    const Share rows = part.rows(n);
    T* const to = at.data(out);
    const T* const a = at.data(instruction.a);
    const std::int64_t* const integers =
        at.integers(instruction.op == Opcode::gather ? instruction.b : instruction.a);
    switch (instruction.op) {
        case Opcode::to_real:
            for (int i = rows.begin; i < rows.end; ++i) to[i] = static_cast<T>(integers[i]);
            return;
        case Opcode::to_column:
            for (int i = rows.begin; i < rows.end; ++i) to[i] = a[place(n, i, 0)];
            return;
        case Opcode::to_matrix:
            for (int i = rows.begin; i < rows.end; ++i) to[place(n, i, 0)] = a[i];
            return;
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

template void Instructions<float>::rowwise(const Instruction&, const Workspace<float>&,
                                           const Part&) const;
template void Instructions<float>::draw(const Instruction&, const Workspace<float>&,
                                        const Part&) const;
template void Instructions<float>::move(const Instruction&, const Workspace<float>&, const Part&);
template void Instructions<float>::whole(const Instruction&, const Workspace<float>&);
template void Instructions<double>::rowwise(const Instruction&, const Workspace<double>&,
                                            const Part&) const;
template void Instructions<double>::draw(const Instruction&, const Workspace<double>&,
                                         const Part&) const;
template void Instructions<double>::move(const Instruction&, const Workspace<double>&, const Part&);
template void Instructions<double>::whole(const Instruction&, const Workspace<double>&);

}  // namespace chainrule
