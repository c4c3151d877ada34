// The Python face of the compiled module: the only file that knows nanobind.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "bind.hpp"
#include "kernels.hpp"
#include "philox.hpp"
#include "shuffle.hpp"
#include "testing.hpp"
#include "testing_elementwise.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <typename T>
using Vector = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

// A new NumPy array of n elements, filled without the GIL.
template <typename T>
using Fill = void (*)(const chainrule::Draw&, std::size_t, T*);
template <typename T, Fill<T> fill>
Vector<T> drawn(std::uint64_t seed, std::uint64_t counter, std::uint32_t stream, std::size_t n) {
    auto data = std::make_unique_for_overwrite<T[]>(n);
    {
        nb::gil_scoped_release released;
        fill({seed, counter, stream}, n, data.get());
    }
    nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return Vector<T>(data.release(), {n}, owner);
}

// `generator` is the capsule of a NumPy bit generator, whose lock the caller holds.
void shuffled(const nb::capsule& generator,
              const nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& rows) {
    const auto* from = static_cast<const chainrule::BitGenerator*>(generator.data("BitGenerator"));
    if (rows.shape(0) > UINT32_MAX) throw nb::value_error("more rows than 32 bits can count");
    const nb::gil_scoped_release released;
    chainrule::shuffle(*from, rows.data(), static_cast<std::uint32_t>(rows.shape(0)));
}

chainrule::PhiloxBlocks blocks() {
    return chainrule::kernels<float>(chainrule::chosen_isa())->philox;
}

template <class Word>
void words(const chainrule::Draw& draw, std::size_t n, Word* out) {
    chainrule::philox_words(blocks(), draw, 0, n, out);
}

void permutation(const chainrule::Draw& draw, std::size_t n, std::int64_t* out) {
    chainrule::philox_permutation(blocks(), draw, n, out);
}

nb::dict opcodes() {
    nb::dict numbers;
    for (std::size_t i = 0; i < std::size(chainrule::micro_names); ++i)
        numbers[chainrule::micro_names[i]] = i;
    return numbers;
}

nb::list instruction_sets() {
    nb::list present;
    for (const char* isa : {"amx", "avx512", "avx2", "portable"})
        if (chainrule::kernels<float>(isa)) present.append(isa);
    return present;
}

}  // namespace

NB_MODULE(_native, m) {
    using namespace chainrule;
    m.doc() = "The compiled part of chainrule.";
    bind_plans(m);
    m.def("opcodes", opcodes, "The micro-operations that have a kernel: name to number.");
    m.def("chosen_isa", chosen_isa,
          "The instruction set in use: the fastest of this machine, or what CHAINRULE_ISA names.");
    m.def(
        "bfloat16_tiles",
        [] {
            const Bfloat16Tiles* tiles = kernels<float>(chosen_isa())->tiles;
            return tiles && tiles->permitted();
        },
        "Whether the instruction set in use multiplies numbers rounded to bfloat16 on tiles.");
    m.def("instruction_sets", instruction_sets, "Those compiled in that this machine has.");
    m.def("words", drawn<std::uint32_t, words>, "seed"_a, "counter"_a, "stream"_a, "n"_a,
          "See chainrule.random.words.");
    m.def("halves", drawn<std::uint16_t, words>, "seed"_a, "counter"_a, "stream"_a, "n"_a,
          "See chainrule.random.halves.");
    m.def("permutation", drawn<std::int64_t, permutation>, "seed"_a, "counter"_a, "stream"_a, "n"_a,
          "See chainrule.random.permutation.");
    m.def("shuffle", shuffled, "generator"_a, "rows"_a.noconvert(),
          "What numpy.random.RandomState.shuffle does to these rows (int64), in place.");
    nb::module_ tests = m.def_submodule("testing", "What the tests call: one kernel at a time.");
    testing::define_testing(tests);
    testing::define_elementwise(tests);
}
