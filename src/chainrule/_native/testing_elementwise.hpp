// Python's way to micro-operations on one block, for the tests.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "testing.hpp"

namespace chainrule::testing {

inline constexpr const char* spread_names[] = {"full", "row", "column", "scalar"};

template <std::size_t n>
std::size_t number_of(const char* const (&names)[n], std::string_view name) {
    for (std::size_t i = 0; i < n; ++i)
        if (name == names[i]) return i;
    throw std::invalid_argument("There is no '" + std::string(name) +
                                "' among the kernels' names.");
}

inline int panel_width(const std::string& isa, std::size_t itemsize) {
    return itemsize == sizeof(float) ? kernels_of<float>(isa).panel_width
                                     : kernels_of<double>(isa).panel_width;
}

template <class T>
void elementwise(const std::string& isa, nb::list code, nb::list operands, int rows, int vectors) {
    const Kernels<T>& kernels = kernels_of<T>(isa);
    if (vectors < 1 || vectors > 2) throw std::invalid_argument("A row has one or two vectors.");
    if (rows < 0 || rows > max_block_rows || operands.size() > scratch_register)
        throw std::invalid_argument("A block has at most 32 rows and 64 operands.");
    const std::size_t block = static_cast<std::size_t>(max_block_rows) * kernels.panel_width;
    std::vector<Operand<T>> places;
    std::vector<Spread> spreads;
    std::vector<std::vector<T>> filled;  // of the scalars
    for (nb::handle pair : operands) {
        const auto array = nb::cast<nb::ndarray<T, nb::c_contig, nb::device::cpu>>(pair[0], false);
        const auto spread =
            static_cast<Spread>(number_of(spread_names, nb::cast<const char*>(pair[1])));
        const bool each_row = spread == Spread::full || spread == Spread::column;
        const bool each_column = spread == Spread::full || spread == Spread::row;
        const std::size_t need = static_cast<std::size_t>(each_row ? rows : 1) *
                                 static_cast<std::size_t>(each_column ? kernels.panel_width : 1);
        if (array.size() < need)
            throw std::invalid_argument("An operand is shorter than its spread needs.");
        T* data = array.data();
        if (spread == Spread::scalar) data = filled.emplace_back(kernels.panel_width, *data).data();
        places.push_back(operand(data, spread, kernels.panel_width));
        spreads.push_back(spread);
    }
    std::vector<MicroOp> ops;
    std::size_t registers = 0;
    for (nb::handle item : code) {
        const auto at = [&](int i) {
            const int place = nb::cast<int>(item[i]);
            const int last = place < scratch_register ? static_cast<int>(places.size()) : 256;
            if (place < 0 || place >= last)
                throw std::invalid_argument("There is no operand " + std::to_string(place) + ".");
            if (place >= scratch_register)
                registers = std::max<std::size_t>(registers, place - scratch_register + 1);
            return static_cast<std::uint8_t>(place);
        };
        const auto name = nb::cast<const char*>(item[0]);
        MicroOp& op = ops.emplace_back();
        op.op = static_cast<Micro>(number_of(micro_names, name));
        op.dst = at(1);
        for (std::size_t i = 2; i < nb::len(item); ++i) op.sources[i - 2] = at(static_cast<int>(i));
        if (op.dst < scratch_register && spreads[op.dst] != Spread::full)
            throw std::invalid_argument("Only full operands are written to.");
    }
    std::vector<T> scratch((registers + places.size()) * block);
    kernels.elementwise(ops.data(), static_cast<int>(ops.size()), places.data(),
                        static_cast<int>(places.size()), rows, vectors, scratch.data());
}

inline void define_elementwise(nb::module_& m) {
    m.def("panel_width", panel_width, "isa"_a, "itemsize"_a,
          "Columns of a panel, for elements of so many bytes.");
    const char* doc =
        "Micro-operations (name, dst, sources...) on a block, in place; an operand is (array, "
        "spread).";
    m.def("elementwise32", elementwise<float>, "isa"_a, "code"_a, "operands"_a, "rows"_a,
          "vectors"_a = 2, doc);
    m.def("elementwise64", elementwise<double>, "isa"_a, "code"_a, "operands"_a, "rows"_a,
          "vectors"_a = 2, doc);
}

}  // namespace chainrule::testing
