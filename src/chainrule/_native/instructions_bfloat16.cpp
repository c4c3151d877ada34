// Products on tiles of bfloat16. A thread packs a strip of the left matrix once for all panels of
// the right one, and a panel of the right one once for all rows of the strip; 32 × 32 sums are
// finished at a time. Only the packed numbers are rounded: what is stored stays in float32.
#include <algorithm>
#include <array>

#include "instructions.hpp"
#include "shares.hpp"

namespace chainrule {

namespace {

// Steps of the left matrix that stay in the second cache while panels of the right one pass by, and
// steps of a panel of the right one that stay in the first: 512 and 32 KiB.
constexpr int steps_at_hand = 256, steps_nearest = 16;
constexpr int most_strip = 8;                   // blocks of rows that a product takes at once
constexpr int most_samples = 128 * tile_depth;  // of a sum over rows, packed at once
constexpr int block_size = tile_side * tile_side;

// The blocks of rows that are packed at once.
int strip_of(int steps) { return std::clamp(steps_at_hand / std::max(steps, 1), 1, most_strip); }

// Parts of the scratch.
struct Room {
    float* own;  // blocks of the product where it is not stored
    std::uint32_t *left, *right;

    Room(float* scratch, const TileRoom& room)
        : own(scratch),
          left(reinterpret_cast<std::uint32_t*>(scratch + most_strip * block_size)),
          right(left + static_cast<std::size_t>(room.left) * tile_step) {}
};

class Multiplying {
  public:
    explicit Multiplying(const Bfloat16Tiles& tiles) : tiles_(tiles) { tiles_.begin(); }
    ~Multiplying() { tiles_.end(); }
    Multiplying(const Multiplying&) = delete;
    Multiplying& operator=(const Multiplying&) = delete;

  private:
    const Bfloat16Tiles& tiles_;
};

// The blocks of xᵀ d that are units [begin, end), group by group of columns of x: place(source,
// panel) says where one goes, and done(source, panel, block) takes it when it is finished.
template <class Place, class Done>
void sum_products(const Bfloat16Tiles& tiles, const float* x, int x_columns, const float* d,
                  int d_columns, int samples, int begin, int end, bool continues, const Room& room,
                  Place place, Done done) {
    if (begin >= end) return;
    const int sources = rounded_up(x_columns, tile_side), panels = rounded_up(d_columns, tile_side);
    const int at_once = std::min(samples, most_samples), steps = rounded_up(at_once, tile_depth);
    const std::size_t panel_size = static_cast<std::size_t>(samples) * tile_side;
    const std::size_t packed = static_cast<std::size_t>(steps) * tile_step;
    // What is too long to be packed whole is packed for each block anew.
    const bool whole = at_once == samples;
    const int group = whole ? std::min(sources, steps_at_hand / std::max(steps, 1)) : 1;
    std::array<bool, steps_at_hand> ready{};  // which of the group are packed
    int group_ready = -1, panel_ready = -1;
    const Multiplying multiplying(tiles);
    for (int unit = begin; unit < end; ++unit) {
        const int from = unit / (group * panels) * group, within = unit - from * panels;
        const int many = std::min(group, sources - from);
        const int panel = within / many, member = within % many, source = from + member;
        const int rows = std::min(tile_side, x_columns - source * tile_side);
        const int vectors = d_columns - panel * tile_side > tile_side / 2 ? 2 : 1;
        if (from != group_ready) {
            ready = {};
            group_ready = from, panel_ready = -1;
        }
        float* const block = place(source, panel);
        int sample = 0;
        do {
            const int count = std::min(at_once, samples - sample);
            const std::size_t offset = static_cast<std::size_t>(sample) * tile_side;
            std::uint32_t* const left = room.left + member * packed;
            if (!ready[member] || !whole)
                tiles.pack_columns(x + source * panel_size + offset, count, true, left);
            if (panel != panel_ready || !whole)
                tiles.pack_columns(d + panel * panel_size + offset, count, false, room.right);
            ready[member] = true, panel_ready = panel;
            tiles.multiply(left, room.right, rounded_up(count, tile_depth), rows, vectors,
                           continues || sample > 0, block);
            sample += count;
        } while (sample < samples);
        done(source, panel, block);
    }
}

}  // namespace

TileRoom::TileRoom(const Plan& plan) {
    for (const Instruction& instruction : plan.instructions) {
        int steps = 0;
        if (instruction.op == Opcode::tn_bfloat16)
            steps = most_samples / tile_depth;
        else if (is_row_product(instruction.op) && instruction.op != Opcode::nn)
            steps = rounded_up(plan.buffers[instruction.a].columns, tile_depth);
        else
            continue;
        left = std::max({left, steps, steps_at_hand});
        right = std::max(right, steps);
    }
}

std::size_t TileRoom::size() const {
    return left == 0 ? 0
                     : most_strip * block_size + static_cast<std::size_t>(left + right) * tile_step;
}

// a b, or a bᵀ.
template <class T>
void Instructions<T>::tiles_nn(int number, const Workspace<T>& at, T* scratch,
                               const Part& part) const {
    if constexpr (std::is_same_v<T, float>) {
        const Instruction& instruction = plan_.instructions[number];
        const Bfloat16Tiles& tiles = *kernels_.tiles;
        const bool turned = instruction.op == Opcode::nt_bfloat16;
        const int rows = at.rows_of(instruction.a), depth = at.columns_of(instruction.a);
        const int b_rows = at.rows_of(instruction.b), columns = at.columns_of_product(instruction);
        const int steps = rounded_up(depth, tile_depth), panels = rounded_up(columns, tile_side);
        const int strip = strip_of(steps) * tile_side;
        const Share share = part.units(rounded_up(rows, strip) * panels);
        if (share.begin >= share.end) return;
        const Room room(scratch, tile_room_);
        scratch += tile_room_.size();
        const float* const a = at.data(instruction.a);
        const float* const b = at.data(instruction.b);
        const std::size_t a_panel = static_cast<std::size_t>(rows) * tile_side;
        const std::size_t b_panel = static_cast<std::size_t>(b_rows) * tile_side;
        const std::size_t packed = static_cast<std::size_t>(steps) * tile_step;  // of a block
        int ready = -1;
        const Multiplying multiplying(tiles);
        for (int unit = share.begin; unit < share.end; ++unit) {
            const int panel = unit % panels, row = unit / panels * strip;
            const int count = std::min(strip, rows - row), blocks = rounded_up(count, tile_side);
            const auto rows_of_block = [&](int i) {
                return std::min(tile_side, count - i * tile_side);
            };
            if (row != ready)
                for (int i = 0; i < blocks; ++i)
                    tiles.pack_rows(a + static_cast<std::size_t>(row) * tile_side + i * block_size,
                                    a_panel, rows_of_block(i), depth, true, room.left + i * packed);
            ready = row;
            const int given = std::min(tile_side, columns - panel * tile_side);
            if (turned)
                tiles.pack_rows(b + static_cast<std::size_t>(panel) * block_size, b_panel, given,
                                depth, false, room.right);
            else
                tiles.pack_columns(b + panel * b_panel, depth, false, room.right);
            float* const out = instruction.out < 0 ? room.own
                                                   : at.data(instruction.out) + panel * a_panel +
                                                         static_cast<std::size_t>(row) * tile_side;
            int step = 0;
            do {
                const int several = std::min(steps_nearest, steps - step);
                for (int i = 0; i < blocks; ++i)
                    tiles.multiply(room.left + i * packed + step * tile_step,
                                   room.right + step * tile_step, several, rows_of_block(i),
                                   given > tile_side / 2 ? 2 : 1, step > 0, out + i * block_size);
                step += several;
            } while (step < steps);
            for (int i = 0; i < blocks; ++i)
                finish(number, at, out + i * block_size, panel, row + i * tile_side,
                       rows_of_block(i), columns, scratch);
        }
    }
}

template <class T>
void Instructions<T>::tiles_tn(int number, const Workspace<T>& at, T* scratch,
                               const Part& part) const {
    if constexpr (std::is_same_v<T, float>) {
        const Instruction& instruction = plan_.instructions[number];
        const int rows = at.columns_of(instruction.a), columns = at.columns_of(instruction.b);
        const Share share = part.units(at.panels_of(instruction.a) * at.panels_of(instruction.b));
        const Room room(scratch, tile_room_);
        scratch += tile_room_.size();
        const auto rows_of_block = [&](int source) {
            return std::min(tile_side, rows - source * tile_side);
        };
        sum_products(
            *kernels_.tiles, at.data(instruction.a), rows, at.data(instruction.b), columns,
            at.rows_of(instruction.a), share.begin, share.end, false, room,
            [&](int source, int panel) {
                at.prefetch(number, panel, source * tile_side, rows_of_block(source));
                return instruction.out < 0
                           ? room.own
                           : at.data(instruction.out) +
                                 (static_cast<std::size_t>(panel) * rows + source * tile_side) *
                                     tile_side;
            },
            [&](int source, int panel, float* block) {
                finish(number, at, block, panel, source * tile_side, rows_of_block(source), columns,
                       scratch);
            });
    }
}

template <class T>
void Instructions<T>::tiles_add_up(int number, const Workspace<T>& at, T* sums, bool continues,
                                   T* scratch) const {
    if constexpr (std::is_same_v<T, float>) {
        const Instruction& instruction = plan_.instructions[number];
        const int rows = at.columns_of(instruction.a);
        sum_products(
            *kernels_.tiles, at.data(instruction.a), rows, at.data(instruction.b),
            at.columns_of(instruction.b), at.rows_of(instruction.a), 0,
            at.panels_of(instruction.a) * at.panels_of(instruction.b), continues,
            Room(scratch, tile_room_),
            [&](int source, int panel) {
                return sums +
                       (static_cast<std::size_t>(panel) * rows + source * tile_side) * tile_side;
            },
            [](int, int, float*) {});
    }
}

template void Instructions<float>::tiles_nn(int, const Workspace<float>&, float*,
                                            const Part&) const;
template void Instructions<float>::tiles_tn(int, const Workspace<float>&, float*,
                                            const Part&) const;
template void Instructions<float>::tiles_add_up(int, const Workspace<float>&, float*, bool,
                                                float*) const;
template void Instructions<double>::tiles_nn(int, const Workspace<double>&, double*,
                                             const Part&) const;
template void Instructions<double>::tiles_tn(int, const Workspace<double>&, double*,
                                             const Part&) const;
template void Instructions<double>::tiles_add_up(int, const Workspace<double>&, double*, bool,
                                                 double*) const;

}  // namespace chainrule
