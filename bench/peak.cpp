// Prints the gigaflops of float32 fused multiply-adds that this machine reaches on so many threads:
// chains long enough in number to hide the latency, all in registers; the best of many short runs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int lanes = 16, chains = 24;
#elif defined(__AVX__)
constexpr int lanes = 8, chains = 12;
#else
constexpr int lanes = 4, chains = 24;
#endif
typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));
constexpr long rounds = 400'000;

static float work() {
    Vector sums[chains], factor, term;
    for (auto& sum : sums) sum = Vector{} + 0.5f;
    factor = Vector{} + 0.999f;
    term = Vector{} + 0.001f;
    asm volatile("" : "+m"(factor), "+m"(term));
    Vector a = factor, b = term;
    for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 32
        for (int c = 0; c < chains; ++c) sums[c] = sums[c] * a + b;
    float total = 0;
    for (auto& sum : sums) total += sum[0];
    return total;
}

int main(int count, char** words) {
    const int threads = count > 1 ? std::atoi(words[1]) : 1;
    double best = 1e9;
    volatile float sink = 0;
    for (int run = 0; run < 100; ++run) {
        const auto begun = std::chrono::steady_clock::now();
        std::vector<std::thread> team;
        for (int t = 0; t < threads; ++t) team.emplace_back([&] { sink = work(); });
        for (auto& member : team) member.join();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
        best = std::min(best, took.count());
    }
    std::printf("%.1f\n", 2.0 * rounds * chains * lanes * threads / best / 1e9);
}
