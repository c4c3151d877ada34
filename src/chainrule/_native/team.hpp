// A team of threads for one caller: it starts them at the first need, spins briefly and then sleeps
// while it waits, and starts them anew in the child of a fork.
#pragma once
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace chainrule {

// While it lives, this thread's subnormal numbers count as zero: a sum of them is 10 times slower.
class FlushToZero {
  public:
#if defined(__x86_64__)
    FlushToZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // results; operands
    ~FlushToZero() { _mm_setcsr(before_); }

  private:
    unsigned before_;
#elif defined(__aarch64__)
    FlushToZero() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" ::"r"(before_ | 1 << 24));
    }
    ~FlushToZero() { asm volatile("msr fpcr, %0" ::"r"(before_)); }

  private:
    std::uint64_t before_;
#endif
  public:
    FlushToZero(const FlushToZero&) = delete;
    FlushToZero& operator=(const FlushToZero&) = delete;
};

inline void pause() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// How many processors this thread may run on.
inline int allowed_processors() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// How many processors' worth of time the control groups of this process have, rounded down, at
// least 1; `most` where there is no limit. `root` is where the system's files are.
inline int processors_of_quota(const std::string& root, int most) {
    const auto numbers_in = [](const std::string& file, double* numbers, int n) {
        std::ifstream stream(file);
        for (int i = 0; i < n; ++i) stream >> numbers[i];  // what is no number, as "max", leaves 0
    };
    double least = most;
    std::ifstream groups(root + "/proc/self/cgroup");
    for (std::string entry; std::getline(groups, entry);) {  // number:controllers:/path
        const auto first = entry.find(':'), second = entry.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = entry.substr(first, second - first) + ",";
        const bool unified = controllers == ":,";
        const bool of_cpu = controllers.find(":cpu,") != std::string::npos ||
                            controllers.find(",cpu,") != std::string::npos;
        if (!unified && !of_cpu) continue;
        std::string folder = root + (unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu");
        const auto top = folder.size();
        folder += entry.substr(second + 1);
        // The limits of all groups above hold too.
        for (;; folder.erase(folder.rfind('/'))) {
            double limit[2] = {};  // time, in how much time
            if (unified) {
                numbers_in(folder + "/cpu.max", limit, 2);
            } else {
                numbers_in(folder + "/cpu.cfs_quota_us", limit, 1);
                numbers_in(folder + "/cpu.cfs_period_us", limit + 1, 1);
            }
            if (limit[0] > 0 && limit[1] > 0) least = std::min(least, limit[0] / limit[1]);
            if (folder.size() <= top) break;
        }
    }
    return std::max(1, static_cast<int>(least));
}

// The number of threads to use where nobody says another.
inline int default_threads() { return processors_of_quota("", allowed_processors()); }

// How long a thread spins before it sleeps: for the others at a barrier, who come within
// microseconds where all run, and for the next call, before which the caller ends one epoch and
// begins another. Shorter ones are slower: sleeping after 20 µs at barriers by a tenth
// (784-512-512-10, two threads), after 100 µs between calls by a tenth (64-100-10, 9 steps a call).
constexpr std::chrono::microseconds patience_at_barriers{100}, patience_between_calls{1000};

// Returns when `value` is no longer `old`. Spinning catches what comes soon. Sleeping leaves the
// processor to others; the thread waited for may need this very one.
inline void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old, bool spin,
                       std::chrono::microseconds patience = patience_at_barriers) {
    using clock = std::chrono::steady_clock;
    constexpr int pauses = 32;  // between two looks at the clock
    const auto changed = [&] { return value.load(std::memory_order_acquire) != old; };
    if (spin) {
        clock::time_point now{}, deadline{};
        do {
            for (int i = 0; i < pauses; ++i, pause())
                if (changed()) return;
            now = clock::now();
            if (deadline == clock::time_point{}) deadline = now + patience;
        } while (now < deadline);
    }
    while (!changed()) value.wait(old, std::memory_order_acquire);
}

class Team {
  public:
    Team() = default;
    ~Team() { disband(); }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    // f(part) for part = 0 ... parts - 1, each in its own thread, part 0 in the caller's; returns
    // when all are done. One caller at a time; f throws nothing and does not call run.
    template <class F>
    void run(int parts, F&& f) {
        static_assert(std::is_nothrow_invocable_v<F&, int>, "a thread cannot hand on an exception");
        const FlushToZero flushing;
        if (parts <= 1) {
            parts_ = 1;
            f(0);
            return;
        }
        prepare(parts);
        call_ = [](void* context, int part) {
            (*static_cast<std::remove_reference_t<F>*>(context))(part);
        };
        context_ = const_cast<void*>(static_cast<const void*>(std::addressof(f)));
        Shared& shared = *shared_;
        shared.working.store(static_cast<std::uint32_t>(parts - 1), std::memory_order_relaxed);
        for (int part = 1; part < parts; ++part) {
            shared.seats[part - 1]->calls.fetch_add(1, std::memory_order_release);
            shared.seats[part - 1]->calls.notify_one();
        }
        f(0);
        for (std::uint32_t left; (left = shared.working.load(std::memory_order_acquire)) != 0;)
            wait_while(shared.working, left, spin_);
    }

    // Inside a run: returns when every part has come here and the last one has called `finally`.
    // What a part wrote before, all see after.
    template <class F>
    void barrier(F finally) {
        if (parts_ == 1) return finally();
        Shared& shared = *shared_;
        const std::uint32_t round = shared.rounds.load(std::memory_order_relaxed);
        if (shared.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 ==
            static_cast<std::uint32_t>(parts_)) {
            finally();
            shared.arrived.store(0, std::memory_order_relaxed);
            shared.rounds.fetch_add(1, std::memory_order_release);
            shared.rounds.notify_all();
        } else {
            wait_while(shared.rounds, round, spin_);
        }
    }
    void barrier() {
        barrier([] {});
    }

  private:
    static constexpr std::size_t line = 128;  // two cache lines: processors fetch them in pairs

    struct Seat {
        alignas(line) std::atomic<std::uint32_t> calls{0};
        std::thread thread;
    };

    // What the threads share. A fork's child has the memory but not the threads, so it leaves the
    // whole of it alone and takes a new one.
    struct Shared {
        const pid_t process = getpid();
        std::vector<std::unique_ptr<Seat>> seats;
        alignas(line) std::atomic<std::uint32_t> working{0};
        alignas(line) std::atomic<std::uint32_t> arrived{0};
        alignas(line) std::atomic<std::uint32_t> rounds{0};
        alignas(line) std::atomic<bool> leaving{false};
    };

    // Signals are for the threads of the interpreter: those started meanwhile take none.
    class WithoutSignals {
      public:
        WithoutSignals() {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, &before_);
        }
        ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

      private:
        sigset_t before_;
    };

    void prepare(int parts) {
        if (!shared_ || shared_->process != getpid()) shared_ = new Shared;
        parts_ = parts;
        // With fewer processors than threads, whoever spins keeps off the one waited for.
        spin_ = parts <= allowed_processors();
        auto& seats = shared_->seats;
        if (seats.size() + 1 >= static_cast<std::size_t>(parts)) return;
        const WithoutSignals quiet;
        seats.reserve(parts);
        for (int part = static_cast<int>(seats.size()) + 1; part < parts; ++part) {
            auto seat = std::make_unique<Seat>();
            seat->thread =
                std::thread(&Team::work, this, std::ref(*seat), std::ref(*shared_), part);
            seats.push_back(std::move(seat));
        }
    }

    void work(Seat& seat, Shared& shared, int part) {
        const FlushToZero flushing;
        bool spin = true;
        for (std::uint32_t done = 0;; ++done) {
            wait_while(seat.calls, done, spin, patience_between_calls);
            if (shared.leaving.load(std::memory_order_relaxed)) return;
            call_(context_, part);
            spin = spin_;  // the next run may change it once `working` is zero
            if (shared.working.fetch_sub(1, std::memory_order_acq_rel) == 1)
                shared.working.notify_one();
        }
    }

    void disband() {
        if (!shared_ || shared_->process != getpid()) return;
        shared_->leaving.store(true, std::memory_order_relaxed);
        for (auto& seat : shared_->seats) {
            seat->calls.fetch_add(1, std::memory_order_release);
            seat->calls.notify_one();
        }
        for (auto& seat : shared_->seats) seat->thread.join();
        delete shared_;
    }

    Shared* shared_ = nullptr;
    int parts_ = 1;
    bool spin_ = true;
    void (*call_)(void*, int) = nullptr;
    void* context_ = nullptr;
};

}  // namespace chainrule
