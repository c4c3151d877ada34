// In what order the instructions of a step are carried out by several threads, and before which of
// them the threads have to meet: before what touches numbers that another thread may be at.
#pragma once
#include <cstdint>
#include <vector>

#include "plan.hpp"

namespace chainrule {

// How an instruction's work is divided among the threads.
enum class Division : std::uint8_t {
    rows,   // each thread takes the same rows of the batch for all such instructions
    units,  // a share of its units, whatever these are
    whole,  // the first thread does it all
};

// The buffers that an instruction reads or writes.
struct Touched {
    std::vector<int> read, written;
};
Touched touched(const Instruction& instruction);

struct Stop {
    int instruction;
    Division division;
    bool meet;  // before it
};

// What goes row by row comes one after the other, as far as it may: there threads meet least often.
std::vector<Stop> schedule(const Plan& plan, const std::vector<Division>& divisions);

}  // namespace chainrule
