// What CUDA's C++ has beyond C++, for kernels that run on the processor: the threads of a block take turns on one thread of the
// system, each until it waits for the others. Blocks run one after the other.
#include <math.h>
#include <ucontext.h>
#include <vector>

#define __global__ __attribute__((visibility("hidden")))
#define __device__ inline
#define __forceinline__ inline
#define __restrict__
#define __shared__ static thread_local
#define __launch_bounds__(threads)

struct Index { unsigned x; };
static thread_local Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulated {

constexpr unsigned STACK = 1 << 16;

struct Block {
    std::vector<ucontext_t> threads;
    std::vector<char> stacks;
    std::vector<char> done;
    ucontext_t turns;
    void (*kernel)(void **);
    void **arguments;
    double shuffled[1024];
};

static thread_local Block *block = nullptr;

static void begin() {
    block->kernel(block->arguments);
    block->done[threadIdx.x] = 1;
    swapcontext(&block->threads[threadIdx.x], &block->turns);
}

static void wait() { swapcontext(&block->threads[threadIdx.x], &block->turns); }

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
        own.done.assign(threads, 0);
        for (unsigned i = 0; i < threads; i++) {
            ucontext_t &thread = own.threads[i];
            getcontext(&thread);
            thread.uc_stack.ss_sp = &own.stacks[size_t(i) * STACK];
            thread.uc_stack.ss_size = STACK;
            thread.uc_link = nullptr;
            makecontext(&thread, begin, 0);
        }
        for (bool waiting = true; waiting;) {
            waiting = false;
            for (unsigned i = 0; i < threads; i++) {
                if (own.done[i]) continue;
                threadIdx.x = i;
                swapcontext(&own.turns, &own.threads[i]);
                waiting |= !own.done[i];
            }
        }
    }
}

} // namespace emulated

static inline void __syncthreads() { emulated::wait(); }

// All threads of a block come here together, which is more than CUDA asks for.
template <typename T> static inline T __shfl_xor_sync(unsigned, T value, unsigned lane) {
    emulated::block->shuffled[threadIdx.x] = value;
    emulated::wait();
    T other = T(emulated::block->shuffled[threadIdx.x ^ lane]);
    emulated::wait();
    return other;
}
