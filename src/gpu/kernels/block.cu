// What the threads of a block do together. A block has THREADS of them, in warps of 32.

#define THREADS 256
#define WARP 32
#define ALL 0xffffffffu

// Number i of all that there are, one for each thread; a kernel has n of them.
#define EACH(i, n)                                                                                                                          \
    int i = blockIdx.x * THREADS + threadIdx.x;                                                                                             \
    if (i >= n) return

// Numbers that are read at once.
template <int COUNT> struct alignas(COUNT * sizeof(real) > 16 ? 16 : COUNT * sizeof(real)) Pack {
    real x[COUNT];
};

// Writes, or adds: the gradient of a value that several layers read is the sum of theirs.
__device__ void put(real *to, real number, int add) { *to = add ? *to + number : number; }

__device__ real most(real a, real b) { return a > b || a != a ? a : b; }

// The sum over a warp, in each of its threads.
template <class T> __device__ T warp_sum(T x) {
    for (int lane = WARP / 2; lane > 0; lane /= 2) x += __shfl_xor_sync(ALL, x, lane);
    return x;
}

__device__ real warp_most(real x) {
    for (int lane = WARP / 2; lane > 0; lane /= 2) x = most(x, __shfl_xor_sync(ALL, x, lane));
    return x;
}

// The sum over a block, in each of its threads.
template <class T> __device__ T block_sum(T x) {
    __shared__ T sums[THREADS / WARP];
    x = warp_sum(x);
    __syncthreads();
    if (threadIdx.x % WARP == 0) sums[threadIdx.x / WARP] = x;
    __syncthreads();
    x = 0;
    for (int i = 0; i < THREADS / WARP; i++) x += sums[i];
    return x;
}
