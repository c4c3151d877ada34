// Softmax, cross-entropy and sums against plain loops.
#include "checks.hpp"

namespace chainrule::checks {
namespace {

// What the kernels make of the rows of a matrix, in shares of rows that end at `cut`.
template <class T>
struct Rows {
    Panels<T> soft, logs, error;
    std::vector<T> sum, squares, most, loss, loss_alone;
    std::vector<std::int64_t> best;

    Rows(const Kernels<T>& k, const Matrix<T>& m, const std::vector<std::int64_t>& labels, int cut)
        : soft(m.rows, m.columns, k.panel_width),
          logs(soft),
          error(soft),
          sum(m.rows),
          squares(m.rows),
          most(m.rows),
          loss(m.rows),
          loss_alone(m.rows),
          best(m.rows) {
        const Panels<T> x(m, k.panel_width);
        const T* data = x.data.data();
        for (const auto& [first, last] : {std::pair{0, cut}, std::pair{cut, m.rows}}) {
            k.softmax(data, m.rows, m.columns, first, last, soft.data.data());
            k.log_softmax(data, m.rows, m.columns, first, last, logs.data.data());
            k.row_sum(data, m.rows, m.columns, first, last, sum.data());
            k.row_sum_of_squares(data, m.rows, m.columns, first, last, squares.data());
            k.row_max(data, m.rows, m.columns, first, last, most.data());
            k.row_argmax(data, m.rows, m.columns, first, last, best.data());
            k.sparse_cross_entropy(data, labels.data(), m.rows, m.columns, first, last, loss.data(),
                                   error.data.data());
            k.sparse_cross_entropy(data, labels.data(), m.rows, m.columns, first, last,
                                   loss_alone.data(), nullptr);
        }
    }
    bool equals(Rows& other) {
        bool equal = same(sum, other.sum) && same(squares, other.squares) &&
                     same(most, other.most) && same(loss, other.loss) &&
                     same(loss_alone, other.loss_alone) && best == other.best;
        for (int i = 0; i < soft.rows; ++i)
            for (int j = 0; j < soft.columns; ++j)
                equal &= same(*soft.at(i, j), *other.soft.at(i, j)) &&
                         same(*logs.at(i, j), *other.logs.at(i, j)) &&
                         same(*error.at(i, j), *other.error.at(i, j));
        return equal;
    }
};

// Each row beside plain loops; labels beyond the columns give NaN.
template <class T>
bool near_loops(Rows<T>& got, const Matrix<T>& m, const std::vector<std::int64_t>& labels) {
    const Wide eps = std::numeric_limits<T>::epsilon(), room = (m.columns + 16) * eps;
    bool near = true;
    for (int i = 0; i < m.rows; ++i) {
        Wide total = 0, size = 0, squares = 0, exps = 0;
        int place = 0;
        for (int j = 0; j < m.columns; ++j) {
            total += m(i, j);
            size += std::fabs(m(i, j));
            squares += Wide{m(i, j)} * m(i, j);
            if (m(i, j) > m(i, place)) place = j;
        }
        const Wide largest = m(i, place);
        for (int j = 0; j < m.columns; ++j) exps += std::exp(m(i, j) - largest);
        near &= std::fabs(got.sum[i] - total) <= m.columns * eps * size;
        near &= std::fabs(got.squares[i] - squares) <= m.columns * eps * squares;
        near &= got.most[i] == m(i, place) && got.best[i] == place;
        const bool known = 0 <= labels[i] && labels[i] < m.columns;
        for (int j = 0; j < m.columns; ++j) {
            const Wide p = std::exp(m(i, j) - largest) / exps;
            const Wide log_p = m(i, j) - largest - std::log(exps);
            near &= std::fabs(*got.soft.at(i, j) - p) <= room * p;
            near &= std::fabs(*got.logs.at(i, j) - log_p) <= 8 * room;
            near &= std::fabs(*got.error.at(i, j) - (p - (j == labels[i]))) <= room;
            if (j == labels[i]) near &= std::fabs(got.loss[i] + log_p) <= 8 * room;
        }
        near &= known || std::isnan(got.loss[i]);
        near &= std::isnan(got.loss[i]) ? std::isnan(got.loss_alone[i])
                                        : std::fabs(got.loss[i] - got.loss_alone[i]) <= 8 * room;
    }
    return near;
}

template <class T>
void check_sums(const Kernels<T>& k, const Matrix<T>& m) {
    const Wide eps = std::numeric_limits<T>::epsilon();
    const int panel = k.panel_width;
    const Panels<T> x(m, panel);
    bool summed = true;
    for (int p = 0; p * panel < m.columns; ++p) {
        std::vector<T> out(panel);
        k.column_sum(x.data.data(), m.rows, p, out.data());
        for (int j = p * panel; j < std::min(m.columns, (p + 1) * panel); ++j) {
            Wide exact = 0, size = 0;
            for (int i = 0; i < m.rows; ++i) exact += m(i, j), size += std::fabs(m(i, j));
            summed &= std::fabs(out[j - p * panel] - exact) <= m.rows * eps * size;
        }
    }
    check(summed, about(k, "column_sum", m.rows, m.columns));
    Wide exact = 0;
    for (const T v : m.data) exact += v;
    const double total = k.total(m.data.data(), m.data.size());
    check(std::fabs(total - static_cast<double>(exact)) < 1e-9,
          about(k, "total", m.rows, m.columns));
}

// One row with numbers that are none, between two plain ones.
template <class T>
void check_special_rows(const Kernels<T>& k, std::mt19937& rng, int columns) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    constexpr T none = std::numeric_limits<T>::quiet_NaN();
    const auto plain = drawn<T>(rng, 3, columns);
    const std::vector<std::int64_t> labels(3, 0);
    Rows<T> expected(k, plain, labels, 0);
    for (const T special : {none, infinity, -infinity}) {
        auto m = plain;
        const int place = columns / 2;
        m(1, place) = special;
        Rows<T> got(k, m, labels, 0);
        const bool alone = columns == 1;
        bool right = true;
        for (const int i : {0, 2}) {
            right &= same(got.sum[i], expected.sum[i]) && same(got.loss[i], expected.loss[i]);
            for (int j = 0; j < columns; ++j)
                right &= same(*got.soft.at(i, j), *expected.soft.at(i, j)) &&
                         same(*got.error.at(i, j), *expected.error.at(i, j));
        }
        right &= std::isnan(special) ? std::isnan(got.sum[1]) : got.sum[1] == special;
        if (std::isnan(special))
            right &= std::isnan(got.most[1]) && got.best[1] == place;
        else if (special > 0)
            right &= got.most[1] == infinity && got.best[1] == place;
        else if (!alone)  // a column that is masked out
            right &= *got.soft.at(1, place) == 0 && got.best[1] != place &&
                     std::isfinite(got.most[1]) && *got.logs.at(1, place) == -infinity;
        if (!(special < 0) || alone)
            for (int j = 0; j < columns; ++j)
                right &= std::isnan(*got.soft.at(1, j)) || *got.soft.at(1, j) == 0;
        check(right, about(k, "a special row", columns));
    }
}

}  // namespace

template <class T>
void check_rows(const Kernels<T>& k, std::mt19937& rng) {
    for (const int rows : lengths)
        for (const int columns : lengths) {
            const auto m = drawn<T>(rng, rows, columns);
            check_sums(k, m);
            if (columns == 0) continue;
            std::vector<std::int64_t> labels(rows);
            for (int i = 0; i < rows; ++i) labels[i] = i % (columns + 1);
            if (rows > 2) labels[1] = -1, labels[2] = std::numeric_limits<std::int64_t>::min();
            Rows<T> whole(k, m, labels, 0), shared(k, m, labels, rows / 3);
            check(near_loops(whole, m, labels), about(k, "rows", rows, columns));
            check(whole.equals(shared), about(k, "rows in shares", rows, columns));
        }
    for (const int columns : lengths)
        if (columns > 0) check_special_rows(k, rng, columns);
    Matrix<T> ties(1, 65);
    for (int first = 0; first < 65; ++first) {
        std::fill(ties.data.begin() + first, ties.data.end(), T(1));
        std::fill(ties.data.begin(), ties.data.begin() + first, T(0));
        check(Rows<T>(k, ties, {0}, 0).best[0] == first, about(k, "the first of equals", first));
    }
}

template void check_rows(const Kernels<float>&, std::mt19937&);
template void check_rows(const Kernels<double>&, std::mt19937&);

}  // namespace chainrule::checks
