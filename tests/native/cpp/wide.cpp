// Vectors of 64 bytes on any machine, by smaller ones: what AVX-512's kernels do but for their
// instructions.
#define CHAINRULE_ISA wide
#define CHAINRULE_VECTOR 64
#include "isa.hpp"
#include "tiles.hpp"
