// Products that skip the zeros of their left matrix, where it has enough of them. What is computed
// does not depend on whether they are skipped, but units are numbered in another way: all who share
// those of an instruction look at the same rows when they decide.
#include <algorithm>

#include "instructions.hpp"

namespace chainrule {

namespace {

constexpr int deep = 64;                        // terms of the sums at a time, a bit for each
constexpr int strip_rows = 4 * max_block_rows;  // that pass by what is read of the right matrix

// Whether so many nonzeros are worth looking for among so many numbers, which each meet a row of so
// many vectors: what each costs beside its multiplications is as much as five of these.
bool worth_skipping(std::int64_t nonzeros, std::int64_t numbers, int vectors) {
    return nonzeros * (vectors + 5) < numbers * vectors;
}

}  // namespace

// Neighbouring panels of a product whose sums fit into the registers.
template <class T>
struct Instructions<T>::Side {
    int first, panels, columns, vectors;
};

template <class T>
int Instructions<T>::sides_of(int columns) const {
    return rounded_up(rounded_up(columns, panel_), kernels_.most_vectors / 2);
}

template <class T>
typename Instructions<T>::Side Instructions<T>::side(int columns, int number, int sides) const {
    const int panels = rounded_up(columns, panel_);
    const Share share(panels, number, sides);
    const int last = share.end - 1;
    return {share.begin, share.size(), std::min(columns, share.end * panel_) - share.begin * panel_,
            2 * (share.size() - 1) + vectors_of(columns, last)};
}

// Whether a product is large enough that its zeros might matter.
template <class T>
bool Instructions<T>::may_skip(const Instruction& product) const {
    if (product.op != Opcode::nn && product.op != Opcode::tn) return false;
    const Buffer &a = plan_.buffers[product.a], &b = plan_.buffers[product.b];
    return a.rows == batch_rows && a.columns >= panel_ && b.columns > panel_;
}

// Whether the left matrix has so many zeros among some of its rows that the product skips them.
template <class T>
bool Instructions<T>::skips(const Instruction& product, const Workspace<T>& at,
                            const Share& rows) const {
    constexpr std::int64_t least = 32 * 1024;  // vectors multiplied: below, looking costs too much
    constexpr int most_rows = 8;
    if (!may_skip(product)) return false;
    const int depth = at.columns_of(product.a), columns = at.columns_of(product.b);
    const int vectors = side(columns, 0, sides_of(columns)).vectors;
    if (static_cast<std::int64_t>(rows.size()) * depth * vectors < least) return false;
    const int some = std::min(rows.size(), most_rows);
    const std::size_t a_panel = static_cast<std::size_t>(at.rows_of(product.a)) * panel_;
    std::int64_t nonzeros = 0;
    std::uint64_t bits[1];
    for (int i = 0; i < some; ++i) {
        const T* a =
            at.data(product.a) +
            static_cast<std::size_t>(Share(rows.size(), i, some).begin + rows.begin) * panel_;
        for (int k = 0; k < depth; k += deep, a += deep / panel_ * a_panel)
            nonzeros += kernels_.nonzeros_of_rows(a, a_panel, std::min(deep, depth - k), 1, bits);
    }
    return worth_skipping(nonzeros, static_cast<std::int64_t>(some) * depth, vectors);
}

// Runs the code of a product on `count` rows from `row` of one side's sums.
template <class T>
void Instructions<T>::finish_side(int number, const Workspace<T>& at, const Side& side, T* out,
                                  std::size_t out_panel, int row, int count, int columns,
                                  T* scratch) const {
    for (int panel = 0; panel < side.panels; ++panel)
        for (int first = 0; first < count; first += max_block_rows)
            finish(number, at, out + panel * out_panel + first * panel_, side.first + panel,
                   row + first, std::min(max_block_rows, count - first), columns, scratch);
}

template <class T>
void Instructions<T>::sparse_nn(int number, const Workspace<T>& at, T* scratch, const Part& part,
                                const Share& own_rows) const {
    const Instruction& instruction = plan_.instructions[number];
    const int rows = at.rows_of(instruction.a), depth = at.columns_of(instruction.a);
    const int columns = at.columns_of(instruction.b);
    const int sides = sides_of(columns), given = own_rows.size();
    const int wanted = part.division == Division::units ? rounded_up(4 * part.count, sides) : 1;
    const int strips = std::max(rounded_up(given, strip_rows),
                                std::min(wanted, rounded_up(given, 2 * kernels_.tile_rows)));
    T* const own = scratch;
    scratch += sparse_size();
    const std::size_t a_panel = static_cast<std::size_t>(rows) * panel_;
    const std::size_t b_panel = static_cast<std::size_t>(depth) * panel_;
    const Share share = part.units(strips * sides);
    for (int unit = share.begin; unit < share.end; ++unit) {
        const Side side = this->side(columns, unit % sides, sides);
        const Share strip(given, unit / sides, strips);
        const int row = own_rows.begin + strip.begin, count = strip.size();
        const bool kept = instruction.out >= 0;
        const std::size_t out_panel = kept ? a_panel : static_cast<std::size_t>(count) * panel_;
        const std::size_t at_row = static_cast<std::size_t>(row) * panel_;
        T* const out = kept ? at.data(instruction.out) + side.first * out_panel + at_row : own;
        const T* a = at.data(instruction.a) + at_row;
        const T* b = at.data(instruction.b) + side.first * b_panel;
        std::uint64_t bits[strip_rows];
        for (int k = 0; k < depth; k += deep, a += deep / panel_ * a_panel, b += deep * panel_) {
            const int terms = std::min(deep, depth - k);
            const auto nonzeros = kernels_.nonzeros_of_rows(a, a_panel, terms, count, bits);
            if (worth_skipping(nonzeros, static_cast<std::int64_t>(count) * terms, side.vectors) &&
                kernels_.all_finite(b, b_panel, terms, side.columns)) {
                kernels_.nn_nonzeros(a, a_panel, bits, b, b_panel, count, side.vectors, k > 0, out,
                                     out_panel);
                continue;
            }
            for (int panel = 0; panel < side.panels; ++panel) {
                const int vectors = vectors_of(side.columns, panel);
                each_tile(count, kernels_.tile_rows * 2 / vectors, [&](int first, int n) {
                    kernels_.nn(a + first * panel_, a_panel, terms, b + panel * b_panel, n, vectors,
                                k > 0, out + panel * out_panel + first * panel_);
                });
            }
        }
        finish_side(number, at, side, out, out_panel, row, count, columns, scratch);
    }
}

// Panels [source, source + many) of aᵀ b's rows on one side, for all rows of the batch.
template <class T>
void Instructions<T>::sparse_sums(const Instruction& product, const Workspace<T>& at,
                                  const Side& side, int source, int many, bool continues, T* out,
                                  std::size_t out_panel) const {
    const int samples = at.rows_of(product.a);
    const int count = std::min(many * panel_, at.columns_of(product.a) - source * panel_);
    const std::size_t panel_size = static_cast<std::size_t>(samples) * panel_;
    const T* x = at.data(product.a) + source * panel_size;
    const T* d = at.data(product.b) + side.first * panel_size;
    for (int s = 0; s < samples; s += deep, x += deep * panel_, d += deep * panel_) {
        const int terms = std::min(deep, samples - s);
        const bool finite = kernels_.all_finite(d, panel_size, terms, side.columns);
        for (int k = 0; k < many; ++k) {
            const T* const from = x + k * panel_size;
            T* const block = out + k * panel_ * panel_;
            const int height = std::min(panel_, count - k * panel_);
            std::uint64_t bits[max_block_rows];
            if (finite && worth_skipping(kernels_.nonzeros_of_columns(from, terms, bits),
                                         static_cast<std::int64_t>(panel_) * terms, side.vectors)) {
                kernels_.tn_nonzeros(from, bits, d, panel_size, height, side.vectors, continues,
                                     block, out_panel);
                continue;
            }
            for (int panel = 0; panel < side.panels; ++panel) {
                const int vectors = vectors_of(side.columns, panel);
                each_tile(height, kernels_.tile_rows * 2 / vectors, [&](int first, int n) {
                    kernels_.tn(from + first, d + panel * panel_size, terms, n, vectors, continues,
                                block + panel * out_panel + first * panel_);
                });
            }
        }
        continues = true;
    }
}

template <class T>
void Instructions<T>::sparse_tn(int number, const Workspace<T>& at, T* scratch,
                                const Part& part) const {
    const Instruction& instruction = plan_.instructions[number];
    const int rows = at.columns_of(instruction.a), columns = at.columns_of(instruction.b);
    const int sources = rounded_up(rows, panel_);
    // More sides than the registers ask for where many threads have few panels of rows.
    const int wanted = std::min(rounded_up(columns, panel_), rounded_up(2 * part.count, sources));
    const int sides = std::max(sides_of(columns), wanted);
    T* const own = scratch;
    scratch += sparse_size();
    const Share share = part.units(sources * sides);
    int many = 0;
    for (int unit = share.begin; unit < share.end; unit += many) {
        const int source = unit % sources, row = source * panel_;
        const Side side = this->side(columns, unit / sources, sides);
        many = std::min({sources_at_once(), sources - source, share.end - unit});
        const int count = std::min(many * panel_, rows - row);
        const bool kept = instruction.out >= 0;
        const std::size_t out_panel = static_cast<std::size_t>(kept ? rows : count) * panel_;
        T* const out =
            kept ? at.data(instruction.out) + side.first * out_panel + row * panel_ : own;
        sparse_sums(instruction, at, side, source, many, false, out, out_panel);
        finish_side(number, at, side, out, out_panel, row, count, columns, scratch);
    }
}

template <class T>
void Instructions<T>::sparse_add_up(const Instruction& product, const Workspace<T>& at, T* sums,
                                    bool continues) const {
    const int rows = at.columns_of(product.a), columns = at.columns_of(product.b);
    const int sources = rounded_up(rows, panel_), sides = sides_of(columns);
    const std::size_t out_panel = static_cast<std::size_t>(rows) * panel_;
    for (int number = 0; number < sides; ++number) {
        const Side side = this->side(columns, number, sides);
        for (int source = 0; source < sources; source += sources_at_once())
            sparse_sums(product, at, side, source, std::min(sources_at_once(), sources - source),
                        continues, sums + side.first * out_panel + source * panel_ * panel_,
                        out_panel);
    }
}

// So many panels of the left matrix of aᵀ b pass by what is read of the right one.
template <class T>
int Instructions<T>::sources_at_once() const {
    return std::max(1, deep / panel_);
}

// The elements of a strip's sums, or a group's.
template <class T>
std::size_t Instructions<T>::sparse_size() const {
    return static_cast<std::size_t>(strip_rows) * kernels_.most_vectors / 2 * panel_;
}

template bool Instructions<float>::may_skip(const Instruction&) const;
template bool Instructions<float>::skips(const Instruction&, const Workspace<float>&,
                                         const Share&) const;
template void Instructions<float>::sparse_nn(int, const Workspace<float>&, float*, const Part&,
                                             const Share&) const;
template void Instructions<float>::sparse_add_up(const Instruction&, const Workspace<float>&,
                                                 float*, bool) const;
template void Instructions<float>::sparse_tn(int, const Workspace<float>&, float*,
                                             const Part&) const;
template std::size_t Instructions<float>::sparse_size() const;
template bool Instructions<double>::may_skip(const Instruction&) const;
template bool Instructions<double>::skips(const Instruction&, const Workspace<double>&,
                                          const Share&) const;
template void Instructions<double>::sparse_nn(int, const Workspace<double>&, double*, const Part&,
                                              const Share&) const;
template void Instructions<double>::sparse_add_up(const Instruction&, const Workspace<double>&,
                                                  double*, bool) const;
template void Instructions<double>::sparse_tn(int, const Workspace<double>&, double*,
                                              const Part&) const;
template std::size_t Instructions<double>::sparse_size() const;

}  // namespace chainrule
