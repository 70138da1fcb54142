// What CUDA's C++ has beyond C++, for kernels that run on the processor: the threads of a block take turns on one thread of the
// system, each until it waits for the others. Blocks run one after the other.
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__ __attribute__((visibility("hidden")))
#define __device__ inline
#define __forceinline__ inline
#define __restrict__
#define __shared__ static thread_local
#define __launch_bounds__(...)

struct Index { unsigned x; };
static thread_local Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {

constexpr unsigned STACK = 1 << 16;

// Where a thread goes on.
struct Turn {
    jmp_buf at;
};

struct Block {
    std::vector<Turn> threads;
    std::vector<char> stacks;
    std::vector<char> begun, done;
    jmp_buf turns;
    void (*kernel)(void **);
    void **arguments;
    double shuffled[1024];
    float factors[1024][6];
};

static thread_local Block *block = nullptr;

static void begin() {
    block->kernel(block->arguments);
    block->done[threadIdx.x] = 1;
    _longjmp(block->turns, 1);
}

static void wait() {
    if (!_setjmp(block->threads[threadIdx.x].at)) _longjmp(block->turns, 1);
}

// Goes on with a thread until it waits or is done. A context costs a call of the system, so it is only used to change stacks the first time.
static void go_on(Block &own, unsigned thread) {
    threadIdx.x = thread;
    if (_setjmp(own.turns)) return;
    if (own.begun[thread]) _longjmp(own.threads[thread].at, 1);
    own.begun[thread] = 1;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = &own.stacks[size_t(thread) * STACK];
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, begin, 0);
    setcontext(&context);
}

static void run(void (*kernel)(void **), unsigned blocks, unsigned threads, void **arguments) {
    static thread_local Block own;
    block = &own;
    own.kernel = kernel;
    own.arguments = arguments;
    own.threads.resize(threads);
    own.stacks.resize(size_t(threads) * STACK);
    blockDim.x = threads;
    gridDim.x = blocks;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        own.begun.assign(threads, 0);
        own.done.assign(threads, 0);
        bool waiting = true;
        // The last one first in every second round: what depends on the order lacks a barrier, and comes out wrong.
        for (unsigned round = 0; waiting; round++) {
            waiting = false;
            for (unsigned turn = 0; turn < threads; turn++) {
                unsigned i = round % 2 ? turn : threads - 1 - turn;
                if (!own.done[i]) go_on(own, i);
                waiting |= !own.done[i];
            }
        }
    }
}

// What a kernel is given lies where a list says.
template <typename... A, size_t... I> static void spread(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*(A *)arguments[I]...);
}

template <typename... A> static void spread(void (*kernel)(A...), void **arguments) {
    spread(kernel, arguments, std::index_sequence_for<A...>());
}

template <typename... A> constexpr unsigned parameters(void (*)(A...)) { return sizeof...(A); }

} // namespace emulated

// A kernel as functions that a library exports.
#define KERNEL(name) \
    static void spread_##name(void **arguments) { emulated::spread(name, arguments); } \
    extern "C" void run_##name(unsigned blocks, unsigned threads, void **arguments) { \
        emulated::run(spread_##name, blocks, threads, arguments); \
    } \
    extern "C" unsigned parameters_##name() { return emulated::parameters(name); }

static inline void __syncthreads() { emulated::wait(); }

// All threads of a block come here together, which is more than CUDA asks for.
template <typename T> static inline T __shfl_xor_sync(unsigned, T value, unsigned lane) {
    emulated::block->shuffled[threadIdx.x] = double(value);
    emulated::wait();
    T other = T(emulated::block->shuffled[threadIdx.x ^ lane]);
    emulated::wait();
    return other;
}

// A number with 10 bits behind the point, the nearest; of two as near the one that is farther from zero.
static inline float tf32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isfinite(x)) bits = (bits + (1u << 12)) & ~((1u << 13) - 1);
    memcpy(&x, &bits, sizeof x);
    return x;
}

// PTX's mma.m16n8k8 for TF32: c += a b of a [16, 8] and b [8, 8], by the 32 threads of a warp. Lane 4 g + t has rows g and g + 8 of a, in
// columns t and t + 4; of b its column g, in rows t and t + 4; and of c rows g and g + 8, in columns 2 t and 2 t + 1.
static inline void multiply_tensors(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
    float(*factors)[6] = emulated::block->factors;
    memcpy(factors[threadIdx.x], a, sizeof a);
    memcpy(factors[threadIdx.x] + 4, b, sizeof b);
    emulated::wait();
    unsigned first = threadIdx.x & ~31u, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 8; k++) {
            c[i] += factors[first + 4 * g + k % 4][i / 2 + k / 4 * 2] * factors[first + 4 * (2 * t + i % 2) + k % 4][4 + k / 4];
        }
    }
    emulated::wait();
}
