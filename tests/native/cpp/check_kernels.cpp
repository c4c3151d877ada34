// The compiled core without Python: kernels, panels, streams, threads and the runner against plain
// loops, on every instruction set of the machine it runs on. For machines where Python is not at
// hand, as an emulated arm64 (scripts/arm64) or one with AVX-512 (scripts/avx512); tests/native
// checks the same kernels more closely.
#include "checks.hpp"

namespace chainrule::wide {  // wide.cpp
extern const Kernels<float> float_table;
extern const Kernels<double> double_table;
}  // namespace chainrule::wide

namespace chainrule::checks {
namespace {

template <class T>
void check_all() {
    const Kernels<T>* wide;
    if constexpr (std::is_same_v<T, float>)
        wide = &wide::float_table;
    else
        wide = &wide::double_table;
    const Kernels<T>* fused = nullptr;  // the first with fused multiply-adds
    for (const Kernels<T>* k :
         {kernels<T>("avx512"), kernels<T>("avx2"), kernels<T>("portable"), wide}) {
        if (k == nullptr) continue;
        std::printf("%s %s: vectors of %d\n", k->isa, type_name<T>(), k->vector_width);
        std::fflush(stdout);
        std::mt19937 rng(1);
        check_products(*k, rng);
        check_rows(*k, rng);
        check_elementwise(*k, rng);
        check_runner(*k, rng);
        check_draws(*k);
        if (!fuses(*k)) continue;
        if (fused != nullptr) {
            check_same_products(*fused, *k, rng);
            check_same_elements(*fused, *k, rng);
        }
        if (fused == nullptr) fused = k;
    }
}

}  // namespace
}  // namespace chainrule::checks

int main() {
    using namespace chainrule::checks;
    check_streams();
    check_panels();
    check_team();
    check_all<float>();
    check_all<double>();
    check_tiles();
    std::printf("%d checks, %d failed; by default: %s\n", checks, failures,
                chainrule::chosen_isa());
    return failures != 0;
}
