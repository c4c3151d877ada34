#include "plan.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "panels.hpp"

namespace chainrule {

namespace {

// Units [begin, end) of `count` for one part of `parts`: what is computed does not depend on the
// parts.
struct Share {
    int begin, end;
    Share(int count, int part, int parts)
        : begin(static_cast<int>(static_cast<std::int64_t>(count) * part / parts)),
          end(static_cast<int>(static_cast<std::int64_t>(count) * (part + 1) / parts)) {}
};

}  // namespace

template <class T>
Plan<T>::Plan(const Kernels<T>& kernels, std::vector<Buffer> buffers,
              std::vector<Instruction> instructions, int batch_size_buffer)
    : kernels_(kernels),
      panel_(kernels.panel_width),
      buffers_(std::move(buffers)),
      instructions_(std::move(instructions)),
      batch_size_buffer_(batch_size_buffer),
      data_(buffers_.size()),
      integers_(buffers_.size()),
      keys_(buffers_.size()) {
    std::size_t places = 1;
    for (const auto& instruction : instructions_)
        places = std::max(places, instruction.registers + instruction.operands.size() + 1);
    scratch_size_ = (places + 1) * max_block_rows * panel_;
    for (std::size_t i = 0; i < buffers_.size(); ++i)
        if (buffers_[i].rows != batch_rows) {
            if (buffers_[i].layout == Layout::integers)
                integers_[i].assign(buffers_[i].rows, 0);
            else
                data_[i].assign(size_of(buffers_[i], buffers_[i].rows), T(0));
        }
}

// A scalar has a panel's width to itself and a column whole blocks, so that code may run over its
// end.
template <class T>
std::size_t Plan<T>::size_of(const Buffer& buffer, int rows) const {
    const std::size_t block = static_cast<std::size_t>(max_block_rows) * panel_;
    switch (buffer.layout) {
        case Layout::scalar:
            return block;
        case Layout::column:
            return (static_cast<std::size_t>(rows) + block) / block * block;
        default:
            return (static_cast<std::size_t>(buffer.columns) + panel_ - 1) / panel_ * panel_ *
                       rows +
                   block;
    }
}

template <class T>
int Plan<T>::rows_of(int buffer) const {
    return buffers_[buffer].rows == batch_rows ? rows_ : buffers_[buffer].rows;
}

template <class T>
void Plan<T>::reserve(int rows) {
    rows_ = rows;
    if (rows <= reserved_) return;
    for (std::size_t i = 0; i < buffers_.size(); ++i)
        if (buffers_[i].rows == batch_rows) {
            if (buffers_[i].layout == Layout::integers)
                integers_[i].assign(
                    static_cast<std::size_t>(rows) * std::max(1, buffers_[i].columns), 0);
            else
                data_[i].assign(size_of(buffers_[i], rows), T(0));
        }
    reserved_ = rows;
    shared_out_.clear();
    work_ = 0;
    for (const auto& instruction : instructions_) {
        constexpr double worth_a_barrier = 4000;
        const double work = work_of(instruction);
        work_ += work;
        shared_out_.push_back(work > worth_a_barrier);
    }
}

template <class T>
void Plan<T>::write(int buffer, const T* from, std::int64_t size) {
    if (buffers_[buffer].layout == Layout::matrix)
        to_panels(from, rows_of(buffer), columns_of(buffer), panel_, data(buffer));
    else
        std::copy_n(from, size, data(buffer));
}

template <class T>
void Plan<T>::read(int buffer, T* to, int rows) const {
    const T* from = data_[buffer].data();
    if (buffers_[buffer].layout == Layout::matrix)
        from_panels(from, rows, columns_of(buffer), panel_, to);
    else
        std::copy_n(from, rows, to);
}

template <class T>
void Plan<T>::read_integers(int buffer, std::int64_t* to, int rows) const {
    std::copy_n(integers_[buffer].data(), rows, to);
}

// Roughly the nanoseconds of one thread.
template <class T>
double Plan<T>::work_of(const Instruction& instruction) const {
    const auto elements = [&](int buffer) {
        return buffer < 0 ? 0.0
                          : static_cast<double>(rows_of(buffer)) * std::max(1, columns_of(buffer));
    };
    switch (instruction.op) {
        case Opcode::nn:
            return elements(instruction.a) * columns_of(instruction.b) / 16;
        case Opcode::tn:
            return elements(instruction.a) * columns_of(instruction.b) / 16 +
                   instruction.code.size() * columns_of(instruction.a) * columns_of(instruction.b) /
                       8.0;
        case Opcode::elementwise:
            return elements(instruction.out) * instruction.code.size() / 8;
        default:
            return elements(instruction.a);
    }
}

template <class T>
void Plan<T>::gather(const Source& source, const std::int64_t* chosen, int part, int parts) {
    const Share share(rows_, part, parts);
    const int columns = std::max(1, columns_of(source.buffer));
    switch (buffers_[source.buffer].layout) {
        case Layout::integers:
            if (part == 0)
                gather_integers(source.data, source.element, columns, chosen, rows_,
                                integers(source.buffer));
            return;
        case Layout::matrix:
            return gather_panels(source.data, source.element, columns, chosen, rows_, panel_,
                                 data(source.buffer), share.begin, share.end);
        default:
            if (part == 0)
                gather_column(source.data, source.element, chosen, rows_, data(source.buffer));
    }
}

template <class T>
void Plan<T>::fill(std::span<const TableColumn> table, std::int64_t step) {
    for (const auto& column : table) {
        if (column.words)
            std::copy_n(column.words + 4 * step, 4, keys_[column.buffer].begin());
        else
            data(column.buffer)[0] = static_cast<T>(column.numbers[step]);
    }
    if (batch_size_buffer_ >= 0) data(batch_size_buffer_)[0] = static_cast<T>(rows_);
}

template <class T>
void Plan<T>::run(std::span<const Source> sources, std::span<const TableColumn> table,
                  const std::int64_t* order, std::int64_t row_count, std::int64_t batch_size,
                  std::int64_t first, std::int64_t last, std::span<const int> summed, double* sums,
                  int threads) {
    reserve(static_cast<int>(std::min(batch_size, row_count)));
    // Below so many nanoseconds a step, meeting at barriers costs more than sharing saves.
    constexpr double worth_sharing = 100'000;
    const int parts = work_ < worth_sharing ? 1 : std::max(1, threads);
    scratch_.resize(scratch_size_ * parts);
    out_of_range_ = false;
    team_.run(parts, [&](int part) noexcept {
        for (std::int64_t step = first; step < last; ++step) {
            const std::int64_t begin = step * batch_size;
            if (part == 0) {
                rows_ = static_cast<int>(std::min(batch_size, row_count - begin));
                fill(table, step);
            }
            team_.barrier();
            for (const auto& source : sources) gather(source, order + begin, part, parts);
            bool apart = true;  // whether the threads may be at different instructions
            for (std::size_t i = 0; i < instructions_.size(); ++i) {
                if (apart || shared_out_[i]) team_.barrier();
                if (shared_out_[i])
                    carry_out(instructions_[i], part, parts);
                else if (part == 0)
                    carry_out(instructions_[i], 0, 1);
                apart = shared_out_[i];
            }
            if (apart) team_.barrier();
            if (part == 0)
                for (std::size_t i = 0; i < summed.size(); ++i)
                    sums[i] += static_cast<double>(data(summed[i])[0]);
        }
    });
    if (out_of_range_)
        throw std::out_of_range("a number names no row of the table it is looked up in");
}

template <class T>
void Plan<T>::carry_out(const Instruction& instruction, int part, int parts) {
    switch (instruction.op) {
        case Opcode::nn:
            return product_nn(instruction, part, parts);
        case Opcode::tn:
            return product_tn(instruction, part, parts);
        case Opcode::elementwise:
            return elementwise(instruction, part, parts);
        case Opcode::softmax:
        case Opcode::log_softmax:
        case Opcode::row_sum:
        case Opcode::row_max:
        case Opcode::row_argmax:
        case Opcode::sparse_cross_entropy:
        case Opcode::transpose:
        case Opcode::column_sum:
            return rowwise(instruction, part, parts);
        default:
            if (part == 0) whole(instruction);
    }
}

// Runs the code of a product on a finished tile: `rows` rows from `row` of one panel of the output.
template <class T>
void Plan<T>::finish_tile(const Instruction& instruction, T* tile, int panel, int row, int rows,
                          int total_rows, T* scratch) {
    if (instruction.code.empty()) return;
    Operand<T> operands[scratch_register];
    const int count = static_cast<int>(instruction.operands.size());
    const std::size_t block = (static_cast<std::size_t>(panel) * total_rows + row) * panel_;
    for (int i = 0; i < count; ++i) {
        const Spread spread = instruction.spreads[i];
        if (instruction.operands[i] < 0) {
            operands[i] = {tile, Spread::full};
            continue;
        }
        T* base = data(instruction.operands[i]);
        operands[i] = {spread == Spread::full     ? base + block
                       : spread == Spread::row    ? base + static_cast<std::size_t>(panel) * panel_
                       : spread == Spread::column ? base + row
                                                  : base,
                       spread};
    }
    kernels_.elementwise(instruction.code.data(), static_cast<int>(instruction.code.size()),
                         operands, count, rows, scratch);
}

template <class T>
void Plan<T>::product_nn(const Instruction& instruction, int part, int parts) {
    const int rows = rows_of(instruction.a), depth = columns_of(instruction.a);
    const int columns = columns_of(instruction.b);
    const int tile_rows = kernels_.tile_rows;
    const int row_tiles = (rows + tile_rows - 1) / tile_rows,
              panels = (columns + panel_ - 1) / panel_;
    T* tile_space = scratch_.data() + part * scratch_size_;
    T* scratch = tile_space + max_block_rows * panel_;
    const T* a = data(instruction.a);
    const T* b = data(instruction.b);
    const Share share(row_tiles * panels, part, parts);
    for (int unit = share.begin; unit < share.end; ++unit) {
        const int panel = unit / row_tiles, row = unit % row_tiles * tile_rows;
        const int count = std::min(tile_rows, rows - row);
        const int vectors = columns - panel * panel_ > panel_ / 2 ? 2 : 1;
        T* tile = instruction.out < 0 ? tile_space
                                      : data(instruction.out) +
                                            (static_cast<std::size_t>(panel) * rows + row) * panel_;
        kernels_.nn(a + static_cast<std::size_t>(row) * panel_,
                    static_cast<std::size_t>(rows) * panel_, depth,
                    b + static_cast<std::size_t>(panel) * depth * panel_, count, vectors, tile);
        finish_tile(instruction, tile, panel, row, count, rows, scratch);
    }
}

template <class T>
void Plan<T>::product_tn(const Instruction& instruction, int part, int parts) {
    const int samples = rows_of(instruction.a), rows = columns_of(instruction.a);
    const int columns = columns_of(instruction.b), panels = (columns + panel_ - 1) / panel_;
    const int tile_rows = kernels_.tile_rows;
    const int tiles_in_panel = (panel_ + tile_rows - 1) / tile_rows;
    const int row_tiles = (rows + panel_ - 1) / panel_ * tiles_in_panel;
    T* tile_space = scratch_.data() + part * scratch_size_;
    T* scratch = tile_space + max_block_rows * panel_;
    const T* x = data(instruction.a);
    const T* d = data(instruction.b);
    const Share share(row_tiles * panels, part, parts);
    for (int unit = share.begin; unit < share.end; ++unit) {
        const int panel = unit / row_tiles, tile_number = unit % row_tiles;
        const int inner = tile_number % tiles_in_panel * tile_rows;
        const int source_panel = tile_number / tiles_in_panel, row = source_panel * panel_ + inner;
        const int count = std::min({tile_rows, panel_ - inner, rows - row});
        if (count <= 0) continue;
        const int vectors = columns - panel * panel_ > panel_ / 2 ? 2 : 1;
        T* tile = instruction.out < 0 ? tile_space
                                      : data(instruction.out) +
                                            (static_cast<std::size_t>(panel) * rows + row) * panel_;
        kernels_.tn(x + static_cast<std::size_t>(source_panel) * samples * panel_ + inner,
                    d + static_cast<std::size_t>(panel) * samples * panel_, samples, count, vectors,
                    tile);
        finish_tile(instruction, tile, panel, row, count, rows, scratch);
    }
}

// The space of the code is that of `out`: a matrix, a column (as whole blocks of contiguous
// elements), or a scalar.
template <class T>
void Plan<T>::elementwise(const Instruction& instruction, int part, int parts) {
    const Buffer& space = buffers_[instruction.out];
    const int rows = rows_of(instruction.out);
    T* scratch = scratch_.data() + part * scratch_size_;
    if (space.layout == Layout::matrix) {
        const int row_tiles = (rows + max_block_rows - 1) / max_block_rows;
        const Share share(row_tiles * panels_of(instruction.out), part, parts);
        for (int unit = share.begin; unit < share.end; ++unit) {
            const int panel = unit / row_tiles, row = unit % row_tiles * max_block_rows;
            finish_tile(instruction, nullptr, panel, row, std::min(max_block_rows, rows - row),
                        rows, scratch);
        }
        return;
    }
    const int blocks = space.layout == Layout::scalar ? 1 : (rows + panel_ - 1) / panel_;
    const int chunks = (blocks + max_block_rows - 1) / max_block_rows;
    const Share share(chunks, part, parts);
    for (int chunk = share.begin; chunk < share.end; ++chunk) {
        const int block = chunk * max_block_rows;
        finish_tile(instruction, nullptr, 0, block, std::min(max_block_rows, blocks - block),
                    blocks, scratch);
    }
}

template <class T>
void Plan<T>::rowwise(const Instruction& instruction, int part, int parts) {
    const int rows = rows_of(instruction.a), columns = columns_of(instruction.a);
    const T* a = data(instruction.a);
    const bool by_panel =
        instruction.op == Opcode::transpose || instruction.op == Opcode::column_sum;
    const Share share(by_panel ? panels_of(instruction.a) : rows, part, parts);
    const int begin = share.begin, end = share.end;
    switch (instruction.op) {
        case Opcode::softmax:
            return kernels_.softmax(a, rows, columns, begin, end, data(instruction.out));
        case Opcode::log_softmax:
            return kernels_.log_softmax(a, rows, columns, begin, end, data(instruction.out));
        case Opcode::row_sum:
            return kernels_.row_sum(a, rows, columns, begin, end, data(instruction.out));
        case Opcode::row_max:
            return kernels_.row_max(a, rows, columns, begin, end, data(instruction.out));
        case Opcode::row_argmax:
            return kernels_.row_argmax(a, rows, columns, begin, end, integers(instruction.out));
        case Opcode::sparse_cross_entropy:
            return kernels_.sparse_cross_entropy(a, integers(instruction.b), rows, columns, begin,
                                                 end, data(instruction.out));
        case Opcode::transpose:
            return kernels_.transpose(a, rows, columns, begin, end, data(instruction.out));
        default:
            for (int panel = begin; panel < end; ++panel)
                kernels_.column_sum(a, rows, panel, data(instruction.out) + panel * panel_);
    }
}

// What is not worth sharing out.
template <class T>
void Plan<T>::whole(const Instruction& instruction) {
    const auto place = [&](int rows, int row, int column) {
        return (static_cast<std::size_t>(column / panel_) * rows + row) * panel_ + column % panel_;
    };
    const int out = instruction.out;
    switch (instruction.op) {
        case Opcode::total:
            data(out)[0] =
                static_cast<T>(kernels_.total(data(instruction.a), rows_of(instruction.a)));
            return;
        case Opcode::to_real: {
            const int n = rows_of(instruction.a);
            for (int i = 0; i < n; ++i) data(out)[i] = static_cast<T>(integers(instruction.a)[i]);
            return;
        }
        case Opcode::to_column: {
            const int n = rows_of(instruction.a);
            for (int i = 0; i < n; ++i) data(out)[i] = data(instruction.a)[place(n, i, 0)];
            return;
        }
        case Opcode::to_matrix: {
            const int n = rows_of(instruction.a);
            for (int i = 0; i < n; ++i) data(out)[place(n, i, 0)] = data(instruction.a)[i];
            return;
        }
        case Opcode::one_hot: {
            const int n = rows_of(out), columns = columns_of(out);
            std::fill_n(data(out), static_cast<std::size_t>(panels_of(out)) * n * panel_, T(0));
            for (int i = 0; i < n; ++i) {
                const auto label = integers(instruction.a)[i];
                if (label >= 0 && label < columns)
                    data(out)[place(n, i, static_cast<int>(label))] = T(1);
            }
            return;
        }
        case Opcode::copy_columns: {
            const auto [from, to, count] = instruction.integers;
            const int n = rows_of(instruction.a);
            for (int j = 0; j < count; ++j)
                for (int i = 0; i < n; ++i)
                    data(out)[place(n, i, to + j)] = data(instruction.a)[place(n, i, from + j)];
            return;
        }
        case Opcode::gather: {
            const int n = rows_of(instruction.b), table_rows = rows_of(instruction.a);
            const int columns = columns_of(instruction.a);
            for (int i = 0; i < n; ++i) {
                const auto row = integers(instruction.b)[i];
                if (row < 0 || row >= table_rows) {
                    out_of_range_ = true;
                    continue;
                }
                for (int j = 0; j < columns; ++j)
                    data(out)[place(n, i, j)] =
                        data(instruction.a)[place(table_rows, static_cast<int>(row), j)];
            }
            return;
        }
        case Opcode::scatter_add: {
            const int n = rows_of(instruction.a), columns = columns_of(instruction.a),
                      total = rows_of(out);
            std::fill_n(data(out), static_cast<std::size_t>(panels_of(out)) * total * panel_, T(0));
            for (int i = 0; i < n; ++i) {
                const auto row = integers(instruction.b)[i];
                if (row < 0 || row >= total) {
                    out_of_range_ = true;
                    continue;
                }
                for (int j = 0; j < columns; ++j)
                    data(out)[place(total, static_cast<int>(row), j)] +=
                        data(instruction.a)[place(n, i, j)];
            }
            return;
        }
        case Opcode::dropout_mask: {
            auto key = keys_[instruction.a];
            if (instruction.integers[1] > 0) {
                const std::uint64_t counter = key[2] | static_cast<std::uint64_t>(key[3]) << 32;
                const std::uint64_t place_in_cycle =
                    counter % static_cast<std::uint64_t>(instruction.integers[1]);
                key[2] = static_cast<std::uint32_t>(place_in_cycle), key[3] = 0;
            }
            dropout_panels(key.data(), static_cast<std::uint32_t>(instruction.integers[0]),
                           instruction.real, rows_of(out), columns_of(out), panel_, data(out));
            return;
        }
        default:
            return;  // every opcode has its case here or in carry_out
    }
}

template class Plan<float>;
template class Plan<double>;

}  // namespace chainrule
