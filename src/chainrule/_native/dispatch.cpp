// The choice of an instruction set, at run time.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#if defined(CHAINRULE_WITH_AMX)
#include <cpuid.h>
#endif

#include "kernels.hpp"

namespace chainrule {

#define CHAINRULE_TABLES(isa)                  \
    namespace isa {                            \
    extern const Kernels<float> float_table;   \
    extern const Kernels<double> double_table; \
    }
#if defined(__x86_64__)
CHAINRULE_TABLES(avx512)
CHAINRULE_TABLES(avx2)
#endif
CHAINRULE_TABLES(portable)
#undef CHAINRULE_TABLES
#if defined(CHAINRULE_WITH_AMX)
namespace amx {
extern const Bfloat16Tiles tiles;
}
#endif

namespace {

struct InstructionSet {
    const char* name;
    bool present;  // on this machine
    const Kernels<float>* of_float;
    const Kernels<double>* of_double;
};

#if defined(__x86_64__)
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif

#if defined(CHAINRULE_WITH_AMX)
// Tiles, their products of bfloat16 and AVX-512's rounding to it; and a system that saves tiles.
bool has_amx() {
    unsigned a, b, c, d, last = 0;
    if (!has_avx512() || !__get_cpuid_count(7, 0, &last, &b, &c, &d) || last < 1) return false;
    const bool tiles = (d >> 24 & 1) && (d >> 22 & 1);
    if (!tiles || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return false;
    unsigned saved, upper;
    asm volatile("xgetbv" : "=a"(saved), "=d"(upper) : "c"(0));
    return (saved >> 17 & 3) == 3;
}

template <class T>
Kernels<T> named_amx(Kernels<T> table) {
    table.isa = "amx";
    if constexpr (std::is_same_v<T, float>) table.tiles = &amx::tiles;
    return table;
}
#endif

// Those compiled, fastest first.
auto& instruction_set_table() {
#if defined(CHAINRULE_WITH_AMX)
    static const auto amx_float = named_amx(avx512::float_table);
    static const auto amx_double = named_amx(avx512::double_table);
#endif
    static const InstructionSet sets[] = {
#if defined(CHAINRULE_WITH_AMX)
        {"amx", has_amx(), &amx_float, &amx_double},
#endif
#if defined(__x86_64__)
        {"avx512", has_avx512(), &avx512::float_table, &avx512::double_table},
        {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"),
         &avx2::float_table, &avx2::double_table},
#endif
        {"portable", true, &portable::float_table, &portable::double_table},
    };
    return sets;
}

const InstructionSet* find(std::string_view name) {
    for (const auto& set : instruction_set_table())
        if (set.present && name == set.name) return &set;
    return nullptr;
}

}  // namespace

template <>
const Kernels<float>* kernels<float>(const char* isa) {
    const InstructionSet* set = find(isa);
    return set ? set->of_float : nullptr;
}

template <>
const Kernels<double>* kernels<double>(const char* isa) {
    const InstructionSet* set = find(isa);
    return set ? set->of_double : nullptr;
}

const char* chosen_isa() {
    const char* wanted = std::getenv("CHAINRULE_ISA");
    const bool named = wanted && *wanted;
    for (const auto& set : instruction_set_table())
        if (set.present && (!named || std::string_view(wanted) == set.name)) return set.name;
    std::string present;
    bool compiled = false;
    for (const auto& set : instruction_set_table()) {
        if (set.present) present += (present.empty() ? "" : ", ") + std::string(set.name);
        compiled = compiled || std::string_view(wanted) == set.name;
    }
    throw std::invalid_argument("CHAINRULE_ISA is '" + std::string(wanted) + "', " +
                                (compiled ? "which this machine does not have"
                                          : "which is no instruction set chainrule knows") +
                                ": unset it or set it to one of " + present + ".");
}

}  // namespace chainrule
