// AVX-512 F, VL, DQ and BW: x86-64 servers since 2017.
#define CHAINRULE_ISA avx512
#define CHAINRULE_VECTOR 64
#include "isa.hpp"
