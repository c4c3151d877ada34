// What every compiler for the machine takes for granted: SSE2 on x86-64, NEON on arm64.
#define CHAINRULE_ISA portable
#define CHAINRULE_VECTOR 16
#include "isa.hpp"
