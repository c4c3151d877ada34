// AVX2 and FMA: x86-64 since 2013.
#define CHAINRULE_ISA avx2
#define CHAINRULE_VECTOR 32
#include "isa.hpp"
