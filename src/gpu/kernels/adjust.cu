// Changes of gradients, as `learn` has them: g changes, of n parameters p.

extern "C" __global__ void clip_value(int n, const real *, real *g, real max) {
    EACH(i, n);
    if (fabs(g[i]) > max) g[i] = copysign(max, g[i]);
}

extern "C" __global__ void penalty_l1(int n, const real *p, real *g, real lambda) {
    EACH(i, n);
    // What is no number stays none.
    g[i] += lambda * (p[i] > 0 ? 1 : p[i] < 0 ? -1 : p[i]);
}

extern "C" __global__ void penalty_l2(int n, const real *p, real *g, real lambda) {
    EACH(i, n);
    g[i] += lambda * (p[i] + p[i]);
}

// Each block leaves the norm of its share of the gradients. Squares of floats would be infinite for a norm of 2e19 already.
extern "C" __global__ void norms(int n, int blocks, const real *g, real *norms) {
    double sum = 0;
    for (long long i = blockIdx.x * THREADS + threadIdx.x; i < n; i += blocks * THREADS) sum += double(g[i]) * double(g[i]);
    sum = block_sum(sum);
    if (threadIdx.x == 0) norms[blockIdx.x] = real(sqrt(sum));
}

// Gradients whose norm, that of the norms, is `max` at most.
extern "C" __global__ void clip_norm(int n, real *g, int blocks, const real *norms, real max) {
    double norm = int(threadIdx.x) < blocks ? double(norms[threadIdx.x]) : 0.0;
    double factor = double(max) / (sqrt(block_sum(norm * norm)) + 1e-6);
    EACH(i, n);
    if (factor < 1) g[i] *= real(factor);
}
