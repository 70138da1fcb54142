// Lines of `len` numbers, `stride` apart, that sum to one, or the logarithms of such: a warp for each line.

__device__ int line_begin(int line, int len, int stride) { return line / stride * len * stride + line % stride; }

extern "C" __global__ void softmax(const real *x, real *y, int lines, int len, int stride, int is_log) {
    int line = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    // Warps without a line go along with the last one, since all threads of a block meet.
    int begin = line_begin(line < lines ? line : lines - 1, len, stride);
    real max = x[begin], sum = 0;
    for (int i = lane; i < len; i += WARP) max = most(max, x[begin + i * stride]);
    max = warp_most(max);
    for (int i = lane; i < len; i += WARP) sum += exp(x[begin + i * stride] - max);
    sum = warp_sum(sum);
    if (line >= lines) return;
    for (int i = lane; i < len; i += WARP) {
        real above = x[begin + i * stride] - max;
        y[begin + i * stride] = is_log ? above - log(sum) : exp(above) / sum;
    }
}

extern "C" __global__ void softmax_back(const real *y, const real *dy, real *dx, int add, int lines, int len, int stride, int is_log) {
    int line = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int begin = line_begin(line < lines ? line : lines - 1, len, stride);
    real sum = 0;
    for (int i = lane; i < len; i += WARP) {
        int at = begin + i * stride;
        sum += is_log ? dy[at] : dy[at] * y[at];
    }
    sum = warp_sum(sum);
    if (line >= lines) return;
    for (int i = lane; i < len; i += WARP) {
        int at = begin + i * stride;
        put(dx + at, is_log ? dy[at] - exp(y[at]) * sum : y[at] * (dy[at] - sum), add);
    }
}
