// The parts of the Python face; module.cpp puts them together.
#pragma once
#include <nanobind/nanobind.h>

namespace chainrule {

void bind_plans(nanobind::module_& m);

}  // namespace chainrule
