// Python's way to single kernels, panels and threads, on row-major arrays: for the tests. The room
// for a matrix ends with its last panel, so that a sanitizer sees what goes beyond.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "crew.hpp"
#include "kernels.hpp"
#include "noise.hpp"
#include "panels.hpp"
#include "schedule.hpp"
#include "team.hpp"

namespace chainrule::testing {

namespace nb = nanobind;
using namespace nb::literals;

template <typename T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <typename T>
using Items = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A new NumPy array, of NaN where its elements are real.
template <typename T, std::size_t dimensions>
auto new_array(const std::size_t (&shape)[dimensions]) {
    std::size_t size = 1;
    for (const std::size_t n : shape) size *= n;
    auto data = std::make_unique_for_overwrite<T[]>(size);
    std::fill_n(data.get(), size, std::numeric_limits<T>::quiet_NaN());
    nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::ndarray<nb::numpy, T, nb::ndim<dimensions>>(data.release(), dimensions, shape,
                                                           owner);
}

template <typename T>
const chainrule::Kernels<T>& kernels_of(const std::string& isa) {
    const auto* found = chainrule::kernels<T>(isa.c_str());
    if (!found) throw nb::value_error(("this machine does not have " + isa).c_str());
    return *found;
}

// A matrix in panels with exactly the room it needs, NaN in the padding.
template <typename T>
struct Panels {
    int rows, columns, panel;
    std::vector<T> data;

    Panels(int rows, int columns, int panel)
        : rows(rows),
          columns(columns),
          panel(panel),
          data(static_cast<std::size_t>(rows) * count() * panel,
               std::numeric_limits<T>::quiet_NaN()) {}
    Panels(const Matrix<T>& from, int panel)
        : Panels(static_cast<int>(from.shape(0)), static_cast<int>(from.shape(1)), panel) {
        chainrule::to_panels(from.data(), rows, columns, panel, data.data());
    }
    int count() const { return (columns + panel - 1) / panel; }
    T* at(int row, int column) {
        return data.data() + (static_cast<std::size_t>(column / panel) * rows + row) * panel +
               column % panel;
    }
    auto array() const {
        auto out =
            new_array<T>({static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)});
        chainrule::from_panels(data.data(), rows, columns, panel, out.data());
        return out;
    }
};

// The product of a (rows, k) or its transpose and b, in tiles of at most `tile_rows` rows where
// they are two vectors wide, and twice as many where they are one.
template <typename T, bool transposed>
auto product(const std::string& isa, const Matrix<T>& a, const Matrix<T>& b, int tile_rows) {
    const auto& kernels = kernels_of<T>(isa);
    Panels<T> left(a, kernels.panel_width), right(b, kernels.panel_width);
    const int panel = kernels.panel_width, k = right.rows;
    if ((transposed ? left.rows : left.columns) != k) throw nb::value_error("shapes do not fit");
    if (tile_rows < 1 || tile_rows > kernels.tile_rows)
        throw nb::value_error("too many rows in a tile");
    Panels<T> out(transposed ? left.columns : left.rows, right.columns, panel);
    for (int column = 0; column < out.columns; column += panel) {
        const int vectors = 2 * (out.columns - column) > panel ? 2 : 1;
        for (int row = 0, rows; row < out.rows; row += rows) {
            rows = std::min(tile_rows * 2 / vectors, out.rows - row);
            if constexpr (transposed) {
                rows = std::min(rows, panel - row % panel);
                kernels.tn(left.at(0, row), right.at(0, column), k, rows, vectors, false,
                           out.at(row, column));
            } else {
                kernels.nn(left.at(row, 0), static_cast<std::size_t>(left.rows) * panel, k,
                           right.at(0, column), rows, vectors, false, out.at(row, column));
            }
        }
    }
    return out.array();
}

// The same product without the terms whose factor of the left matrix is zero.
template <typename T, bool transposed>
auto product_of_nonzeros(const std::string& isa, const Matrix<T>& a, const Matrix<T>& b) {
    constexpr int deep = 64;
    const auto& kernels = kernels_of<T>(isa);
    const int panel = kernels.panel_width;
    Panels<T> left(a, panel), right(b, panel);
    const int k = right.rows;
    if ((transposed ? left.rows : left.columns) != k) throw nb::value_error("shapes do not fit");
    Panels<T> out(transposed ? left.columns : left.rows, right.columns, panel);
    const auto stride = [panel](const Panels<T>& m) {
        return static_cast<std::size_t>(m.rows) * panel;
    };
    std::vector<std::uint64_t> bits(std::max(out.rows, panel));
    std::int64_t count = 0;
    const int wide = kernels.most_vectors / 2 * panel;
    for (int column = 0; column < out.columns; column += wide) {
        const int columns = std::min(wide, out.columns - column);
        const int vectors = (columns + panel / 2 - 1) / (panel / 2);
        for (int first = 0; first < k; first += deep) {
            const int terms = std::min(deep, k - first);
            for (int row = 0, rows; row < out.rows; row += rows) {
                rows = transposed ? std::min(panel, out.rows - row) : out.rows;
                if constexpr (transposed) {
                    const T* x = left.at(first, row);
                    kernels.nonzeros_of_columns(x, terms, bits.data());
                    kernels.tn_nonzeros(x, bits.data(), right.at(first, column), stride(right),
                                        rows, vectors, first > 0, out.at(row, column), stride(out));
                } else {
                    const T* from = left.at(0, first);
                    count += kernels.nonzeros_of_rows(from, stride(left), terms, rows, bits.data());
                    kernels.nn_nonzeros(from, stride(left), bits.data(), right.at(first, column),
                                        stride(right), rows, vectors, first > 0,
                                        out.at(row, column), stride(out));
                }
            }
        }
    }
    return std::pair(out.array(), count);
}

template <typename T>
bool all_finite(const std::string& isa, const Matrix<T>& x) {
    const auto& kernels = kernels_of<T>(isa);
    const Panels<T> from(x, kernels.panel_width);
    return kernels.all_finite(from.data.data(),
                              static_cast<std::size_t>(from.rows) * kernels.panel_width, from.rows,
                              from.columns);
}

// f(first, last) for the pieces that `count` falls into at the places of `cuts`, in ascending
// order.
template <class F>
void in_pieces(int count, const std::vector<int>& cuts, F f) {
    int first = 0;
    for (const int cut : cuts) {
        if (cut < first || cut > count) throw nb::value_error("cuts must ascend within the rows");
        f(first, cut);
        first = cut;
    }
    f(first, count);
}

template <typename T>
auto transposed(const std::string& isa, const Matrix<T>& x, const std::vector<int>& cuts) {
    const auto& kernels = kernels_of<T>(isa);
    Panels<T> from(x, kernels.panel_width), to(from.columns, from.rows, kernels.panel_width);
    in_pieces(from.count(), cuts, [&](int first, int last) {
        kernels.transpose(from.data.data(), from.rows, from.columns, first, last, to.data.data());
    });
    return to.array();
}

template <typename T>
using Rowwise = void (*)(const T*, int, int, int, int, T*);

template <typename T, Rowwise<T> chainrule::Kernels<T>::* kernel>
auto rows_to_matrix(const std::string& isa, const Matrix<T>& x, const std::vector<int>& cuts) {
    const auto& kernels = kernels_of<T>(isa);
    Panels<T> from(x, kernels.panel_width), to(from.rows, from.columns, kernels.panel_width);
    in_pieces(from.rows, cuts, [&](int first, int last) {
        (kernels.*kernel)(from.data.data(), from.rows, from.columns, first, last, to.data.data());
    });
    return to.array();
}

// f(kernels, matrix in panels, first, last, out) for the pieces of the rows; a number of each row.
template <typename T, typename Out, class F>
auto rows_to_column(const std::string& isa, const Matrix<T>& x, const std::vector<int>& cuts, F f) {
    const auto& kernels = kernels_of<T>(isa);
    const Panels<T> from(x, kernels.panel_width);
    auto out = new_array<Out>({x.shape(0)});
    in_pieces(from.rows, cuts,
              [&](int first, int last) { f(kernels, from, first, last, out.data()); });
    return out;
}

template <typename T, Rowwise<T> chainrule::Kernels<T>::* kernel>
auto rows_to_numbers(const std::string& isa, const Matrix<T>& x, const std::vector<int>& cuts) {
    return rows_to_column<T, T>(
        isa, x, cuts, [](auto& kernels, auto& from, int first, int last, T* out) {
            (kernels.*kernel)(from.data.data(), from.rows, from.columns, first, last, out);
        });
}

template <typename T>
auto row_argmax(const std::string& isa, const Matrix<T>& x, const std::vector<int>& cuts) {
    return rows_to_column<T, std::int64_t>(
        isa, x, cuts, [](auto& kernels, auto& from, int first, int last, std::int64_t* out) {
            kernels.row_argmax(from.data.data(), from.rows, from.columns, first, last, out);
        });
}

template <typename T>
auto sparse_cross_entropy(const std::string& isa, const Matrix<T>& x,
                          const Items<std::int64_t>& labels, const std::vector<int>& cuts) {
    if (labels.shape(0) != x.shape(0)) throw nb::value_error("one label for each row");
    return rows_to_column<T, T>(
        isa, x, cuts, [&](auto& kernels, auto& from, int first, int last, T* out) {
            kernels.sparse_cross_entropy(from.data.data(), labels.data(), from.rows, from.columns,
                                         first, last, out, nullptr);
        });
}

template <typename T>
auto column_sum(const std::string& isa, const Matrix<T>& x) {
    const auto& kernels = kernels_of<T>(isa);
    const Panels<T> from(x, kernels.panel_width);
    std::vector<T> sums(static_cast<std::size_t>(from.count()) * from.panel);
    for (int panel = 0; panel < from.count(); ++panel)
        kernels.column_sum(from.data.data(), from.rows, panel, sums.data() + panel * from.panel);
    auto out = new_array<T>({x.shape(1)});
    std::copy_n(sums.data(), x.shape(1), out.data());
    return out;
}

template <typename T>
double total(const std::string& isa, const Items<T>& x) {
    return kernels_of<T>(isa).total(x.data(), x.shape(0));
}

// A matrix as it lies in panels: (panels, rows, panel).
template <typename T>
auto laid_out(std::size_t rows, std::size_t columns, int panel) {
    return new_array<T>({(columns + panel - 1) / panel, rows, static_cast<std::size_t>(panel)});
}

template <typename T>
auto to_panels(const Matrix<T>& x, int panel) {
    auto out = laid_out<T>(x.shape(0), x.shape(1), panel);
    chainrule::to_panels(x.data(), static_cast<int>(x.shape(0)), static_cast<int>(x.shape(1)),
                         panel, out.data());
    return out;
}

template <typename T>
auto from_panels(const nb::ndarray<const T, nb::ndim<3>, nb::c_contig, nb::device::cpu>& x,
                 std::size_t columns) {
    if (x.shape(0) * x.shape(2) < columns)
        throw nb::value_error("more columns than the panels have");
    auto out = new_array<T>({x.shape(1), columns});
    chainrule::from_panels(x.data(), static_cast<int>(x.shape(1)), static_cast<int>(columns),
                           static_cast<int>(x.shape(2)), out.data());
    return out;
}

template <typename E>
constexpr chainrule::Element element_of() {
    if constexpr (std::is_same_v<E, float>) return chainrule::Element::float32;
    if constexpr (std::is_same_v<E, double>) return chainrule::Element::float64;
    if constexpr (std::is_same_v<E, std::uint8_t>) return chainrule::Element::uint8;
    return chainrule::Element::int64;
}

template <typename E>
void check_rows(const Matrix<E>& data, const Items<std::int64_t>& chosen) {
    const auto* end = chosen.data() + chosen.shape(0);
    if (std::any_of(chosen.data(), end, [&](std::int64_t row) {
            return row < 0 || row >= static_cast<std::int64_t>(data.shape(0));
        }))
        throw nb::value_error("no such row");
}

template <typename T, typename E>
auto gather_panels(const Matrix<E>& data, const Items<std::int64_t>& chosen, int panel,
                   const std::vector<int>& cuts) {
    check_rows(data, chosen);
    const int rows = static_cast<int>(chosen.shape(0)), columns = static_cast<int>(data.shape(1));
    auto out = laid_out<T>(chosen.shape(0), data.shape(1), panel);
    in_pieces(rows, cuts, [&](int first, int last) {
        chainrule::gather_panels(data.data(), element_of<E>(), columns, chosen.data(), rows, panel,
                                 out.data(), first, last);
    });
    return out;
}

template <typename E>
auto gather_integers(const Matrix<E>& data, const Items<std::int64_t>& chosen) {
    check_rows(data, chosen);
    auto out = new_array<std::int64_t>({chosen.shape(0), data.shape(1)});
    chainrule::gather_integers(data.data(), element_of<E>(), static_cast<int>(data.shape(1)),
                               chosen.data(), 0, static_cast<int>(chosen.shape(0)), out.data());
    return out;
}

template <typename T, typename E>
auto gather_column(const Matrix<E>& data, const Items<std::int64_t>& chosen) {
    check_rows(data, chosen);
    if (data.shape(1) != 1) throw nb::value_error("a column has one number a row");
    auto out = new_array<T>({chosen.shape(0)});
    chainrule::gather_column(data.data(), element_of<E>(), chosen.data(), 0,
                             static_cast<int>(chosen.shape(0)), out.data());
    return out;
}

inline auto philox(const std::string& isa, std::uint64_t seed, std::uint64_t counter,
                   std::uint32_t stream, std::uint32_t first, std::size_t blocks) {
    auto out = new_array<std::uint64_t>({2 * blocks});
    kernels_of<float>(isa).philox({seed, counter, stream}, first, blocks, out.data());
    return out;
}

template <typename T>
auto dropout_mask(const std::string& isa, const Items<std::uint32_t>& key, std::uint32_t stream,
                  double rate, int rows, int columns, int begins, const std::vector<int>& cuts) {
    if (key.shape(0) != 4) throw nb::value_error("a key has four words");
    const auto& kernels = kernels_of<T>(isa);
    Panels<T> out(rows, columns, kernels.panel_width);
    in_pieces(rows, cuts, [&](int first, int last) {
        dropout_panels(kernels, key.data(), stream, rate, rows, columns, out.data.data(), first,
                       last, begins);
    });
    return out.array();
}

template <typename T>
auto normal_numbers(const std::string& isa, const Items<std::uint32_t>& key, std::uint32_t stream,
                    int rows, int columns, int begins, const std::vector<int>& cuts) {
    if (key.shape(0) != 4) throw nb::value_error("a key has four words");
    const auto& kernels = kernels_of<T>(isa);
    Panels<T> out(rows, columns, kernels.panel_width);
    in_pieces(rows, cuts, [&](int first, int last) {
        normal_panels(kernels, key.data(), stream, rows, columns, out.data.data(), first, last,
                      begins);
    });
    return out.array();
}

// Images (rows, height, width, channels), mirrored or moved, in panels on the way.
template <typename T>
using Images = nb::ndarray<const T, nb::ndim<4>, nb::c_contig, nb::device::cpu>;

template <typename T, class F>
auto changed_images(const Items<std::uint32_t>& key, const Images<T>& images, int panel,
                    const std::vector<int>& cuts, F change) {
    if (key.shape(0) != 4) throw nb::value_error("a key has four words");
    const auto size = [&](int axis) { return static_cast<int>(images.shape(axis)); };
    const chainrule::ImageShape shape{size(1), size(2), size(3)};
    const int rows = size(0), columns = shape.height * shape.width * shape.channels;
    Panels<T> from(rows, columns, panel), to(rows, columns, panel);
    chainrule::to_panels(images.data(), rows, columns, panel, from.data.data());
    in_pieces(rows, cuts, [&](int first, int last) {
        change(shape, from.data.data(), rows, to.data.data(), first, last);
    });
    return to.array();
}

template <typename T>
auto flip_panels(const Items<std::uint32_t>& key, std::uint32_t stream, const Images<T>& images,
                 int axis, int panel, int begins, const std::vector<int>& cuts) {
    return changed_images(
        key, images, panel, cuts,
        [&](const auto& shape, const T* from, int rows, T* to, int first, int last) {
            chainrule::flip_panels(key.data(), stream, shape, axis, from, rows, panel, to, first,
                                   last, begins);
        });
}

template <typename T>
auto shift_panels(const Items<std::uint32_t>& key, std::uint32_t stream, const Images<T>& images,
                  int down, int right, bool reverse, int panel, int begins,
                  const std::vector<int>& cuts) {
    return changed_images(
        key, images, panel, cuts,
        [&](const auto& shape, const T* from, int rows, T* to, int first, int last) {
            chainrule::shift_panels(key.data(), stream, shape, down, right, reverse, from, rows,
                                    panel, to, first, last, begins);
        });
}

// What the tests ask of a team: in each round every thread adds what its neighbour had after the
// round before. Returns the sum of all, and how many threads took subnormal numbers as zero
// meanwhile.
inline std::pair<std::uint64_t, int> check_team(chainrule::Team& team, int threads, int rounds) {
    if (threads < 1 || threads > 256) throw nb::value_error("from 1 to 256 threads");
    const nb::gil_scoped_release released;
    std::vector<std::uint64_t> before(threads), after(threads);
    std::atomic<int> flushing{0};
    for (int part = 0; part < threads; ++part) before[part] = static_cast<std::uint64_t>(part) + 1;
    team.run(threads, [&](int part) noexcept {
        volatile double tiny = std::numeric_limits<double>::min();
        if (tiny / 2 == 0) ++flushing;
        for (int round = 0; round < rounds; ++round) {
            after[part] = 3 * before[part] + before[(part + 1) % threads];
            team.barrier();
            before[part] = after[part];
            team.barrier();
        }
    });
    return {std::accumulate(before.begin(), before.end(), std::uint64_t{0}), flushing.load()};
}

template <typename T>
void define_kernels(nb::module_& m) {
    using Table = chainrule::Kernels<T>;
    const char* doc = "See kernels.hpp.";
    m.def("nn", product<T, false>, "isa"_a, "a"_a, "b"_a, "tile_rows"_a, doc);
    m.def("tn", product<T, true>, "isa"_a, "x"_a, "d"_a, "tile_rows"_a, doc);
    m.def("nn_nonzeros", product_of_nonzeros<T, false>, "isa"_a, "a"_a, "b"_a, doc);
    m.def("tn_nonzeros", product_of_nonzeros<T, true>, "isa"_a, "x"_a, "d"_a, doc);
    m.def("all_finite", all_finite<T>, "isa"_a, "x"_a, doc);
    m.def("transpose", transposed<T>, "isa"_a, "x"_a, "cuts"_a, doc);
    m.def("softmax", rows_to_matrix<T, &Table::softmax>, "isa"_a, "x"_a, "cuts"_a, doc);
    m.def("log_softmax", rows_to_matrix<T, &Table::log_softmax>, "isa"_a, "x"_a, "cuts"_a, doc);
    m.def("row_sum", rows_to_numbers<T, &Table::row_sum>, "isa"_a, "x"_a, "cuts"_a, doc);
    m.def("row_sum_of_squares", rows_to_numbers<T, &Table::row_sum_of_squares>, "isa"_a, "x"_a,
          "cuts"_a, doc);
    m.def("row_max", rows_to_numbers<T, &Table::row_max>, "isa"_a, "x"_a, "cuts"_a, doc);
    m.def("row_argmax", row_argmax<T>, "isa"_a, "x"_a, "cuts"_a, doc);
    m.def("sparse_cross_entropy", sparse_cross_entropy<T>, "isa"_a, "x"_a, "labels"_a, "cuts"_a,
          doc);
    m.def("column_sum", column_sum<T>, "isa"_a, "x"_a, doc);
    m.def("total", total<T>, "isa"_a, "x"_a, doc);
    m.def("to_panels", to_panels<T>, "x"_a, "panel"_a, "See panels.hpp.");
    m.def("from_panels", from_panels<T>, "x"_a, "columns"_a, "See panels.hpp.");
}

template <typename E>
void define_gathers(nb::module_& m) {
    const char* doc = "See panels.hpp.";
    m.def("gather_panels32", gather_panels<float, E>, "data"_a, "chosen"_a, "panel"_a, "cuts"_a,
          doc);
    m.def("gather_panels64", gather_panels<double, E>, "data"_a, "chosen"_a, "panel"_a, "cuts"_a,
          doc);
    m.def("gather_column32", gather_column<float, E>, "data"_a, "chosen"_a, doc);
    m.def("gather_column64", gather_column<double, E>, "data"_a, "chosen"_a, doc);
    m.def("gather_integers", gather_integers<E>, "data"_a, "chosen"_a, doc);
}

template <typename T>
void define_draws(nb::module_& m, const std::string& bits) {
    const char* doc = "See noise.hpp.";
    m.def(("dropout_mask" + bits).c_str(), dropout_mask<T>, "isa"_a, "key"_a, "stream"_a, "rate"_a,
          "rows"_a, "columns"_a, "begins"_a, "cuts"_a, doc);
    m.def(("normal_numbers" + bits).c_str(), normal_numbers<T>, "isa"_a, "key"_a, "stream"_a,
          "rows"_a, "columns"_a, "begins"_a, "cuts"_a, doc);
}

template <typename T>
void define_images(nb::module_& m) {
    const char* doc = "See noise.hpp.";
    m.def("flip_panels", flip_panels<T>, "key"_a, "stream"_a, "images"_a, "axis"_a, "panel"_a,
          "begins"_a, "cuts"_a, doc);
    m.def("shift_panels", shift_panels<T>, "key"_a, "stream"_a, "images"_a, "down"_a, "right"_a,
          "reverse"_a, "panel"_a, "begins"_a, "cuts"_a, doc);
}

// The schedule of instructions that read some buffers and write one or two.
inline auto schedule(
    const std::vector<bool>& of_batch,
    const std::vector<std::tuple<int, std::vector<int>, std::vector<int>>>& given) {
    Plan plan;
    std::vector<Division> divisions;
    for (const bool rows_of_batch : of_batch)
        plan.buffers.push_back({Layout::matrix, rows_of_batch ? batch_rows : 1, 1});
    for (const auto& [division, read, written] : given) {
        Instruction& instruction = plan.instructions.emplace_back();
        instruction.op = Opcode::elementwise;
        instruction.operands = read;
        instruction.out = written.at(0);
        instruction.also = written.size() > 1 ? written[1] : -1;
        divisions.push_back(static_cast<Division>(division));
    }
    std::vector<std::pair<int, bool>> stops;
    for (const Stop& stop : chainrule::schedule(plan, divisions))
        stops.emplace_back(stop.instruction, stop.meet);
    return stops;
}

inline void define_testing(nb::module_& m) {
    define_kernels<float>(m);
    define_kernels<double>(m);
    define_gathers<float>(m);
    define_gathers<double>(m);
    define_gathers<std::uint8_t>(m);
    define_gathers<std::int64_t>(m);
    m.def("philox", philox, "isa"_a, "seed"_a, "counter"_a, "stream"_a, "first"_a, "blocks"_a,
          "Two longs of each block: see draw.hpp.");
    define_draws<float>(m, "32");
    define_draws<double>(m, "64");
    define_images<float>(m);
    define_images<double>(m);
    nb::class_<chainrule::Team>(m, "Team", "See team.hpp.")
        .def(nb::init<>())
        .def("check", check_team, "threads"_a, "rounds"_a,
             "The sum of a fixed reduction, and how many threads flushed subnormals to zero.");
    nb::class_<chainrule::Crew>(m, "Crew", "See crew.hpp.")
        .def(nb::init<>())
        .def("size", &chainrule::Crew::size, "most"_a, "How many threads take the next piece.")
        .def("learn", &chainrule::Crew::learn, "time"_a, "How long a step of it took.");
    m.def("schedule", schedule, "of_batch"_a, "instructions"_a,
          "See schedule.hpp: each instruction's number and whether threads meet before it.");
    m.def("default_threads", chainrule::default_threads,
          "The number of threads where none is named.");
    m.def("processors_of_quota", chainrule::processors_of_quota, "root"_a, "most"_a,
          "Whole processors that the control groups under `root` allow, at most `most`.");
}

}  // namespace chainrule::testing
