// Products of tiles and the transpose against plain loops.
#include "checks.hpp"

namespace chainrule::checks {
namespace {

// Few enough that all triples are quick under an emulator.
constexpr int product_lengths[] = {0, 1, 2, 3, 13, 16, 17, 33, 65};

// Σₖ left(k) right(k) beside its own bound.
template <class T, class Left, class Right>
bool is_product(T got, int k, Left left, Right right) {
    Wide sum = 0, size = 0;
    for (int i = 0; i < k; ++i) {
        sum += static_cast<Wide>(left(i)) * right(i);
        size += std::fabs(static_cast<Wide>(left(i)) * right(i));
    }
    return std::fabs(got - sum) <= (k + 1) * std::numeric_limits<T>::epsilon() * size;
}

template <class T>
Matrix<T> turned(const Matrix<T>& m) {
    Matrix<T> made(m.columns, m.rows);
    for (int i = 0; i < m.rows; ++i)
        for (int j = 0; j < m.columns; ++j) made(j, i) = m(i, j);
    return made;
}

// f(row, column, rows, vectors) for the tiles of a product: of at most `most` rows where they are
// two vectors wide, twice as many where they are one; none goes on beyond a multiple of `end` rows.
template <class F>
void each_tile(int rows, int columns, int panel, int most, int end, F f) {
    for (int column = 0; column < columns; column += panel) {
        const int vectors = 2 * (columns - column) > panel ? 2 : 1;
        for (int row = 0, n; row < rows; row += n) {
            n = std::min({most * 2 / vectors, rows - row, end - row % end});
            f(row, column, n, vectors);
        }
    }
}

// a b in tiles of at most `most` rows, the sums begun anew at depth `cut`, a whole panel.
template <class T>
Matrix<T> by_nn(const Kernels<T>& k, const Matrix<T>& a, const Matrix<T>& b, int most, int cut) {
    Panels<T> left(a, k.panel_width), right(b, k.panel_width);
    Panels<T> out(a.rows, b.columns, k.panel_width);
    const std::size_t step = static_cast<std::size_t>(a.rows) * k.panel_width;
    each_tile(a.rows, b.columns, k.panel_width, most, max_block_rows,
              [&](int row, int column, int n, int v) {
                  if (cut > 0)
                      k.nn(left.at(row, 0), step, cut, right.at(0, column), n, v, false,
                           out.at(row, column));
                  k.nn(left.at(row, cut), step, a.columns - cut, right.at(cut, column), n, v,
                       cut > 0, out.at(row, column));
              });
    Matrix<T> made(a.rows, b.columns);
    from_panels(out.data.data(), made.rows, made.columns, k.panel_width, made.data.data());
    return made;
}

// xᵀ d likewise; any row may be the cut.
template <class T>
Matrix<T> by_tn(const Kernels<T>& k, const Matrix<T>& x, const Matrix<T>& d, int most, int cut) {
    Panels<T> left(x, k.panel_width), right(d, k.panel_width);
    Panels<T> out(x.columns, d.columns, k.panel_width);
    each_tile(x.columns, d.columns, k.panel_width, most, k.panel_width,
              [&](int row, int column, int n, int v) {
                  if (cut > 0)
                      k.tn(left.at(0, row), right.at(0, column), cut, n, v, false,
                           out.at(row, column));
                  k.tn(left.at(cut, row), right.at(cut, column), x.rows - cut, n, v, cut > 0,
                       out.at(row, column));
              });
    Matrix<T> made(x.columns, d.columns);
    from_panels(out.data.data(), made.rows, made.columns, k.panel_width, made.data.data());
    return made;
}

// a b, or aᵀ given as x, without the terms whose factor of the left matrix is zero.
template <class T>
Matrix<T> by_nonzeros(const Kernels<T>& k, const Matrix<T>& a, const Matrix<T>& b,
                      bool transposed) {
    constexpr int deep = 64;
    const int panel = k.panel_width, wide = k.most_vectors / 2 * panel;
    Panels<T> left(a, panel), right(b, panel);
    Panels<T> out(transposed ? a.columns : a.rows, b.columns, panel);
    const auto step = [panel](int rows) { return static_cast<std::size_t>(rows) * panel; };
    std::vector<std::uint64_t> bits(std::max(out.rows, panel));
    for (int column = 0; column < b.columns; column += wide) {
        const int columns = std::min(wide, b.columns - column);
        const int vectors = (columns + panel / 2 - 1) / (panel / 2);
        for (int first = 0; first < b.rows; first += deep) {
            const int terms = std::min(deep, b.rows - first);
            const T* d = right.at(first, column);
            const auto add = [&](int row, int n) {
                T* to = out.at(row, column);
                if (transposed) {
                    const T* x = left.at(first, row);
                    k.nonzeros_of_columns(x, terms, bits.data());
                    k.tn_nonzeros(x, bits.data(), d, step(b.rows), n, vectors, first > 0, to,
                                  step(out.rows));
                } else {
                    const T* x = left.at(row, first);
                    k.nonzeros_of_rows(x, step(a.rows), terms, n, bits.data());
                    k.nn_nonzeros(x, step(a.rows), bits.data(), d, step(b.rows), n, vectors,
                                  first > 0, to, step(out.rows));
                }
            };
            for (int row = 0; row < out.rows; row += panel)
                add(row, std::min(panel, out.rows - row));
        }
    }
    Matrix<T> made(out.rows, b.columns);
    from_panels(out.data.data(), made.rows, made.columns, panel, made.data.data());
    return made;
}

template <class T>
void check_nonzeros(const Kernels<T>& k, std::mt19937& rng) {
    for (const int rows : {1, 5, 33})
        for (const int depth : {1, 31, 64, 65, 130})
            for (const int columns : {1, 16, 33, 100, 250}) {
                auto a = drawn<T>(rng, rows, depth), b = drawn<T>(rng, depth, columns);
                for (T& x : a.data)
                    if (rng() % 3) x = rng() % 2 ? T(0) : -T(0);
                const auto whole = by_nn(k, a, b, k.tile_rows, 0);
                check(by_nonzeros(k, a, b, false).data == whole.data,
                      about(k, "nn of nonzeros", rows, depth, columns));
                check(by_nonzeros(k, turned(a), b, true).data == whole.data,
                      about(k, "tn of nonzeros", rows, depth, columns));
                const auto finite = [&] {
                    const Panels<T> x(b, k.panel_width);
                    return k.all_finite(x.data.data(),
                                        static_cast<std::size_t>(depth) * k.panel_width, depth,
                                        columns);
                };
                check(finite(), about(k, "finite", depth, columns));
                b.data[rng() % b.data.size()] = std::numeric_limits<T>::infinity();
                check(!finite(), about(k, "infinite", depth, columns));
            }
}

template <class T>
void check_tiles(const Kernels<T>& k, std::mt19937& rng) {
    const int depth = k.panel_width + 5;
    const auto a = drawn<T>(rng, 2 * k.tile_rows + 1, depth);
    const auto b = drawn<T>(rng, depth, 2 * k.panel_width + 3);  // the last tiles one vector wide
    const auto x = turned(a), whole = by_nn(k, a, b, k.tile_rows, 0);
    for (int most = 1; most <= k.tile_rows; ++most) {
        check(by_nn(k, a, b, most, 0).data == whole.data, about(k, "nn in tiles of", most));
        check(by_tn(k, x, b, most, 0).data == whole.data, about(k, "tn in tiles of", most));
    }
    check(by_nn(k, a, b, k.tile_rows, k.panel_width).data == whole.data, about(k, "nn in parts"));
    for (const int cut : {1, 4, k.panel_width, depth - 1})
        check(by_tn(k, x, b, k.tile_rows, cut).data == whole.data, about(k, "tn in parts", cut));
}

template <class T>
void check_transpose(const Kernels<T>& k, std::mt19937& rng) {
    for (const int rows : lengths)
        for (const int columns : lengths) {
            const auto m = drawn<T>(rng, rows, columns);
            const Panels<T> from(m, k.panel_width);
            Panels<T> to(columns, rows, k.panel_width);
            const int panels = (columns + k.panel_width - 1) / k.panel_width, half = panels / 2;
            k.transpose(from.data.data(), rows, columns, 0, half, to.data.data());
            k.transpose(from.data.data(), rows, columns, half, panels, to.data.data());
            bool moved = true;
            for (int i = 0; i < rows; ++i)
                for (int j = 0; j < columns; ++j) moved &= *to.at(j, i) == m(i, j);
            check(moved, about(k, "transpose", rows, columns));
        }
}

}  // namespace

template <class T>
void check_products(const Kernels<T>& k, std::mt19937& rng) {
    for (const int rows : product_lengths)
        for (const int depth : product_lengths)
            for (const int columns : product_lengths) {
                const auto a = drawn<T>(rng, rows, depth), b = drawn<T>(rng, depth, columns);
                const auto nn = by_nn(k, a, b, k.tile_rows, 0);
                const auto tn = by_tn(k, turned(a), b, k.tile_rows, 0);
                bool close = true;
                for (int i = 0; i < rows; ++i)
                    for (int j = 0; j < columns; ++j)
                        close &= is_product(
                            nn(i, j), depth, [&](int s) { return a(i, s); },
                            [&](int s) { return b(s, j); });
                check(close, about(k, "nn", rows, depth, columns));
                check(nn.data == tn.data, about(k, "tn", rows, depth, columns));
            }
    check_tiles(k, rng);
    check_nonzeros(k, rng);
    check_transpose(k, rng);
}

template <class T>
void check_same_products(const Kernels<T>& one, const Kernels<T>& other, std::mt19937& rng) {
    for (const int size : lengths) {
        const auto a = drawn<T>(rng, size, 97), b = drawn<T>(rng, 97, size);
        check(
            by_nn(one, a, b, one.tile_rows, 0).data == by_nn(other, a, b, other.tile_rows, 0).data,
            about(one, other.isa, size) + ": products");
    }
}

template void check_products(const Kernels<float>&, std::mt19937&);
template void check_products(const Kernels<double>&, std::mt19937&);
template void check_same_products(const Kernels<float>&, const Kernels<float>&, std::mt19937&);
template void check_same_products(const Kernels<double>&, const Kernels<double>&, std::mt19937&);

}  // namespace chainrule::checks
