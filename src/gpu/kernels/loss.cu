// Losses: `scale` times the sum of terms. d is the gradient with respect to the outputs y; each block leaves the sum of its terms.

struct Mse {
    __device__ static real term(real y, real t, real) { return (y - t) * (y - t); }
    __device__ static real slope(real y, real t, real) { return 2 * (y - t); }
};

struct L1 {
    __device__ static real term(real y, real t, real) { return fabs(y - t); }
    __device__ static real slope(real y, real t, real) { return y > t ? 1 : y < t ? -1 : y - t; }
};

struct Huber {
    __device__ static real cut(real d, real delta) { return d > delta ? delta : d < -delta ? -delta : d; }
    __device__ static real term(real y, real t, real delta) {
        real d = y - t, c = cut(d, delta);
        return c * (d - c / 2);
    }
    __device__ static real slope(real y, real t, real delta) { return cut(y - t, delta); }
};

struct BceWithLogits {
    __device__ static real term(real y, real t, real) { return (y < 0 ? 0 : y) - y * t + log1p(exp(-fabs(y))); }
    __device__ static real slope(real y, real t, real) {
        real decay = exp(-fabs(y));
        return (y >= 0 ? 1 / (1 + decay) : decay / (1 + decay)) - t;
    }
};

struct KlDiv {
    __device__ static real probability(real t, real is_log) { return is_log != 0 ? exp(t) : t; }
    __device__ static real term(real y, real t, real is_log) {
        real p = probability(t, is_log);
        return (is_log != 0 ? p * t : t == 0 ? 0 : t * log(t)) - p * y;
    }
    __device__ static real slope(real, real t, real is_log) { return -probability(t, is_log); }
};

template <class F> __device__ void loss(int n, const real *y, const real *t, real *d, real *sums, real scale, real a) {
    int i = blockIdx.x * THREADS + threadIdx.x;
    real term = 0;
    if (i < n) {
        term = F::term(y[i], t[i], a);
        d[i] = F::slope(y[i], t[i], a) * scale;
    }
    term = block_sum(term);
    if (threadIdx.x == 0) sums[blockIdx.x] = term * scale;
}

extern "C" __global__ void mse(int n, const real *y, const real *t, real *d, real *sums, real scale, real a) { loss<Mse>(n, y, t, d, sums, scale, a); }
extern "C" __global__ void l1(int n, const real *y, const real *t, real *d, real *sums, real scale, real a) { loss<L1>(n, y, t, d, sums, scale, a); }
extern "C" __global__ void huber(int n, const real *y, const real *t, real *d, real *sums, real scale, real a) { loss<Huber>(n, y, t, d, sums, scale, a); }
extern "C" __global__ void bce_with_logits(int n, const real *y, const real *t, real *d, real *sums, real scale, real a) { loss<BceWithLogits>(n, y, t, d, sums, scale, a); }
extern "C" __global__ void kl_div(int n, const real *y, const real *t, real *d, real *sums, real scale, real a) { loss<KlDiv>(n, y, t, d, sums, scale, a); }

// Cross-entropy of lines of logits, `stride` apart, a warp for each line. The targets are the class of each line, or numbers like y; of
// both, `smoothing` is spread over all classes.
extern "C" __global__ void cross_entropy(int n, const real *y, const real *t, real *d, real *sums, real scale, real smoothing, int classes, int stride, int labels) {
    int lines = n / classes, own = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    // Warps without a line go along with the last one, since all threads of a block meet.
    int line = own < lines ? own : lines - 1, begin = line_begin(line, classes, stride);
    real max = y[begin], norm = 0, share = 0, term = 0;
    for (int i = lane; i < classes; i += WARP) max = most(max, y[begin + i * stride]);
    max = warp_most(max);
    real keep = 1 - smoothing, spread = smoothing / classes;
    for (int i = lane; i < classes; i += WARP) {
        int at = begin + i * stride;
        norm += exp(y[at] - max);
        share += keep * (labels ? t[line] == i : t[at]) + spread;
    }
    norm = warp_sum(norm);
    share = warp_sum(share) / norm;
    real log_norm = log(norm);
    if (own < lines) {
        for (int i = lane; i < classes; i += WARP) {
            int at = begin + i * stride;
            real target = keep * (labels ? t[line] == i : t[at]) + spread, above = y[at] - max;
            // Where the target is zero the term is, whatever the logit.
            term += target == 0 ? 0 : target * (log_norm - above);
            d[at] = (exp(above) * share - target) * scale;
        }
    }
    term = block_sum(term);
    if (threadIdx.x == 0) sums[blockIdx.x] = term * scale;
}

// One block adds up what all have left.
extern "C" __global__ void add_up(int n, const real *from, real *to) {
    real sum = 0;
    for (int i = threadIdx.x; i < n; i += THREADS) sum += from[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *to = sum;
}
