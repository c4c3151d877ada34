// The Python face of plans.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bind.hpp"
#include "runner.hpp"

namespace nb = nanobind;

namespace chainrule {

namespace {

template <class E>
E named(const std::map<std::string, E>& names, const std::string& name) {
    const auto found = names.find(name);
    if (found == names.end()) throw nb::value_error(("unknown name in a plan: " + name).c_str());
    return found->second;
}

const std::map<std::string, Opcode> opcode_names{
    {"nn", Opcode::nn},
    {"tn", Opcode::tn},
    {"nn_bfloat16", Opcode::nn_bfloat16},
    {"nt_bfloat16", Opcode::nt_bfloat16},
    {"tn_bfloat16", Opcode::tn_bfloat16},
    {"elementwise", Opcode::elementwise},
    {"transpose", Opcode::transpose},
    {"softmax", Opcode::softmax},
    {"log_softmax", Opcode::log_softmax},
    {"row_sum", Opcode::row_sum},
    {"row_sum_of_squares", Opcode::row_sum_of_squares},
    {"row_max", Opcode::row_max},
    {"row_argmax", Opcode::row_argmax},
    {"sparse_cross_entropy", Opcode::sparse_cross_entropy},
    {"column_sum", Opcode::column_sum},
    {"total", Opcode::total},
    {"one_hot", Opcode::one_hot},
    {"gather", Opcode::gather},
    {"scatter_add", Opcode::scatter_add},
    {"dropout_mask", Opcode::dropout_mask},
    {"normal_noise", Opcode::normal_noise},
    {"random_flip", Opcode::random_flip},
    {"random_shift", Opcode::random_shift},
    {"to_real", Opcode::to_real},
    {"strided", Opcode::strided},
    {"copy_columns", Opcode::copy_columns},
    {"fold_columns", Opcode::fold_columns},
};
const std::map<std::string, Layout> layout_names{{"scalar", Layout::scalar},
                                                 {"column", Layout::column},
                                                 {"matrix", Layout::matrix},
                                                 {"integers", Layout::integers},
                                                 {"key", Layout::key}};
const std::map<std::string, Spread> spread_names{{"full", Spread::full},
                                                 {"row", Spread::row},
                                                 {"column", Spread::column},
                                                 {"scalar", Spread::scalar}};

using PlanCode = std::vector<std::vector<int>>;  // micro-operation, dst, sources
using PlanInstruction =
    std::tuple<std::string, int, int, int, int, PlanCode, std::vector<std::pair<int, std::string>>,
               int, std::vector<std::int64_t>, double>;

template <class T>
void make_plan(Runner<T>* place, const std::vector<std::tuple<std::string, int, int>>& spaces,
               const std::vector<PlanInstruction>& described, int batch_size,
               const std::vector<int>& assigned) {
    Plan plan{.buffers = {}, .instructions = {}, .batch_size = batch_size, .assigned = assigned};
    for (const auto& [layout, rows, columns] : spaces)
        plan.buffers.push_back({named(layout_names, layout), rows, columns});
    for (const auto& [op, out, also, a, b, code, operands, registers, integers, real] : described) {
        Instruction& made = plan.instructions.emplace_back();
        made.op = named(opcode_names, op);
        made.out = out, made.also = also, made.a = a, made.b = b;
        made.registers = registers, made.real = real;
        if (integers.size() > made.integers.size())
            throw nb::value_error("an instruction has at most 17 integers");
        if (operands.size() > scratch_register)
            throw nb::value_error("an instruction has at most 64 operands");
        std::copy(integers.begin(), integers.end(), made.integers.begin());
        for (const auto& numbers : code) {
            MicroOp& micro = made.code.emplace_back();
            if (numbers.size() < 2 || numbers.size() > 2 + max_sources)
                throw nb::value_error("a micro-operation writes one place and reads at most 12");
            for (std::size_t i = 1; i < numbers.size(); ++i) {
                const int place = numbers[i], most = scratch_register + registers;
                const bool known =
                    place >= 0 && place < most && place < 256 &&
                    (place >= scratch_register || place < static_cast<int>(operands.size()));
                if (!known) throw nb::value_error("a micro-operation names no place");
            }
            micro.op = static_cast<Micro>(numbers[0]);
            micro.dst = static_cast<std::uint8_t>(numbers[1]);
            for (std::size_t i = 0; i < max_sources && i + 2 < numbers.size(); ++i)
                micro.sources[i] = static_cast<std::uint8_t>(numbers[i + 2]);
        }
        for (const auto& [buffer, spread] : operands) {
            made.operands.push_back(buffer);
            made.spreads.push_back(named(spread_names, spread));
        }
    }
    new (place) Runner<T>(*kernels<T>(chosen_isa()), std::move(plan));
}

Element element_of(const nb::dlpack::dtype& type) {
    if (type == nb::dtype<float>()) return Element::float32;
    if (type == nb::dtype<double>()) return Element::float64;
    if (type == nb::dtype<std::uint8_t>()) return Element::uint8;
    if (type == nb::dtype<std::int64_t>()) return Element::int64;
    throw nb::type_error("rows must be float32, float64, uint8 or int64");
}

using AnyRows = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using AnyArray = nb::ndarray<nb::c_contig, nb::device::cpu>;
using AnyColumn = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Orders = nb::ndarray<const std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Steps [first, last) of each epoch, of which `orders` has a row; the sums of each, which for the
// first begin with those given.
template <class T>
std::vector<double> run_plan(Runner<T>& runner, const std::vector<std::pair<int, AnyRows>>& rows,
                             const std::vector<std::pair<int, AnyColumn>>& columns,
                             const Orders& orders, std::int64_t batch_size, std::int64_t first,
                             std::int64_t last, const std::vector<int>& summed,
                             std::vector<double> sums,
                             const std::vector<std::pair<int, AnyArray>>& wanted, bool kept,
                             int threads, bool interruptible) {
    std::vector<Source> sources;
    for (const auto& [buffer, array] : rows)
        sources.push_back({array.data(), element_of(array.dtype()), buffer});
    std::vector<TableColumn> table;
    for (const auto& [buffer, array] : columns) {
        if (array.dtype() == nb::dtype<double>())
            table.push_back({static_cast<const double*>(array.data()), nullptr, buffer});
        else
            table.push_back({nullptr, static_cast<const std::uint32_t*>(array.data()), buffer});
    }
    std::vector<Destination> destinations;
    for (const auto& [buffer, array] : wanted) {
        if (array.dtype() != nb::dtype<T>() && array.dtype() != nb::dtype<std::int64_t>())
            throw nb::type_error("a buffer is read into its own type or int64");
        destinations.push_back({array.data(), buffer});
    }
    const auto epochs = static_cast<std::int64_t>(orders.shape(0));
    const auto row_count = static_cast<std::int64_t>(orders.shape(1));
    sums.resize(epochs * summed.size());
    using clock = std::chrono::steady_clock;
    const auto interrupted = [last = clock::now()]() mutable {
        constexpr auto often_enough = std::chrono::milliseconds(25);
        const auto now = clock::now();
        if (now - last < often_enough) return false;
        last = now;
        const nb::gil_scoped_acquire held;
        return PyErr_CheckSignals() != 0;
    };
    try {
        const nb::gil_scoped_release released;
        for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
            runner.run(
                {.sources = sources,
                 .table = table,
                 .order = orders.data() + epoch * row_count,
                 .row_count = row_count,
                 .batch_size = batch_size,
                 .first = first,
                 .last = last,
                 .summed = summed,
                 .sums = sums.data() + epoch * summed.size(),
                 .wanted = destinations,
                 .kept = kept,
                 .interrupted = interruptible ? std::function<bool()>(interrupted) : nullptr},
                threads);
            for (TableColumn& column : table) {  // on to the next epoch's steps
                if (column.words)
                    column.words += 4 * (last - first);
                else
                    column.numbers += last - first;
            }
        }
    } catch (const typename Runner<T>::Interrupted&) {
        throw nb::python_error();  // what the signal's handler raised
    }
    return sums;
}

template <class T>
void bind(nb::module_& m, const char* name) {
    using Flat = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    using Integers = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    nb::class_<Runner<T>>(m, name, "A plan and its buffers; see chainrule.engines.native.")
        .def("__init__",
             [](Runner<T>* self, const std::vector<std::tuple<std::string, int, int>>& spaces,
                const std::vector<PlanInstruction>& instructions, int batch_size,
                const std::vector<int>& assigned) {
                 make_plan<T>(self, spaces, instructions, batch_size, assigned);
             })
        .def("write",
             [](Runner<T>& self, int buffer, const Flat& values) {
                 self.write(buffer, values.data(), static_cast<std::int64_t>(values.shape(0)));
             })
        .def("write",
             [](Runner<T>& self, int buffer, const Integers& values) {
                 self.write_integers(buffer, values.data(),
                                     static_cast<std::int64_t>(values.shape(0)));
             })
        .def("read",
             [](Runner<T>& self, const std::vector<std::tuple<int, int, AnyArray>>& wanted) {
                 if (self.unfinished()) {
                     const nb::gil_scoped_release released;
                     self.finish();
                 }
                 for (const auto& [buffer, rows, to] : wanted) {
                     if (to.dtype() == nb::dtype<T>())
                         self.read(buffer, static_cast<T*>(to.data()), rows);
                     else if (to.dtype() == nb::dtype<std::int64_t>())
                         self.read_integers(buffer, static_cast<std::int64_t*>(to.data()), rows);
                     else
                         throw nb::type_error("a buffer is read into its own type or int64");
                 }
             })
        .def("run", run_plan<T>);
}

}  // namespace

void bind_plans(nb::module_& m) {
    bind<float>(m, "Plan32");
    bind<double>(m, "Plan64");
    m.def("default_threads", default_threads,
          "How many threads to use where nobody says another: what this process may run on.");
}

}  // namespace chainrule
