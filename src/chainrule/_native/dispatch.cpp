// The choice of an instruction set, at run time.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

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

namespace {

struct InstructionSet {
    const char* name;
    bool present;  // on this machine
    const Kernels<float>* of_float;
    const Kernels<double>* of_double;
};

// Those compiled, fastest first.
auto& instruction_set_table() {
    static const InstructionSet sets[] = {
#if defined(__x86_64__)
        {"avx512",
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"),
         &avx512::float_table, &avx512::double_table},
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
    std::string known, present;
    for (const auto& set : instruction_set_table()) {
        known += (known.empty() ? "" : ", ") + std::string(set.name);
        if (set.present) present += (present.empty() ? "" : ", ") + std::string(set.name);
    }
    const bool compiled =
        (", " + known + ", ").find(", " + std::string(wanted) + ", ") != std::string::npos;
    throw std::invalid_argument("CHAINRULE_ISA is '" + std::string(wanted) + "', " +
                                (compiled ? "which this machine does not have"
                                          : "which is no instruction set chainrule knows") +
                                ": unset it or set it to one of " + present + ".");
}

}  // namespace chainrule
