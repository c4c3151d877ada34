// AMX with bfloat16, beside AVX-512: x86-64 servers since 2023. Only products on tiles are here;
// all else is AVX-512's.
#define CHAINRULE_ISA amx
#define CHAINRULE_VECTOR 64
#define CHAINRULE_AMX 1
#include "tiles.hpp"
