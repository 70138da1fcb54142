// y = softmax(scale q k^T + mask) v in each head, without the scores in memory: each query keeps the logarithm of its sum, from which
// they are made again on the way back. A warp has a query, or on the way back for keys a key; its lanes have 32 of the others at a time.

// How many numbers a query, a key or a value has at most: tiles of them share a block's memory.
#define HEAD (sizeof(real) == 4 ? 128 : 64)
#define WARPS (THREADS / WARP)

// Where each head's matrix lies: how far apart samples, heads and rows are.
struct Operand {
    int sample, head, row;

    __device__ int at(int b, int h, int t) const { return b * sample + h * head + t * row; }
};

struct Attention {
    int samples, heads, queries, keys, d, dv, causal;
    Operand q, k, v, y;

    // What keeps query t from key s.
    __device__ bool is_hidden(const real *padding, int b, int t, int s) const {
        return s >= keys || (causal && s > t) || (padding && padding[b * keys + s] != 0);
    }
    __device__ int score(int b, int h, int t) const { return ((b * heads + h) * queries + t); }
};

// The block's sample and head, and its first row of `rows`.
struct Part {
    int b, h, first;

    __device__ Part(const Attention &s, int rows) {
        int tiles = (rows + WARPS - 1) / WARPS, i = blockIdx.x;
        first = i % tiles * WARPS;
        i /= tiles;
        h = i % s.heads;
        b = i / s.heads;
    }
};

// Rows of a head's matrix from `first` on, of which there are `rows`, into shared memory; those behind the last are zeros.
__device__ void fetch(real *to, int count, const real *from, Operand at, int b, int h, int first, int rows, int columns) {
    for (int i = threadIdx.x; i < count * columns; i += THREADS) {
        int row = i / columns, column = i % columns;
        to[row * (HEAD + 1) + column] = first + row < rows ? from[at.at(b, h, first + row) + column] : real(0);
    }
}

__device__ real dot(const real *a, const real *b, int n) {
    real sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

extern "C" __global__ void attend(const int *sizes, const real *q, const real *k, const real *v, const real *padding, const real *mask, real *y, real *log_sums, real scale) {
    __shared__ real own[WARPS * (HEAD + 1)], keys[WARP * (HEAD + 1)], values[WARP * (HEAD + 1)], weights[WARPS][WARP];
    Attention s = *(const Attention *)sizes;
    Part part(s, s.queries);
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, t = part.first + warp;
    real sums[HEAD / WARP], largest = 0, sum = 0;
    bool is_any = false;
    for (int i = 0; i < HEAD / WARP; i++) sums[i] = 0;
    fetch(own, WARPS, q, s.q, part.b, part.h, part.first, s.queries, s.d);
    int end = s.causal && part.first + WARPS < s.keys ? part.first + WARPS : s.keys;
    for (int first = 0; first < end; first += WARP) {
        __syncthreads();
        fetch(keys, WARP, k, s.k, part.b, part.h, first, s.keys, s.d);
        fetch(values, WARP, v, s.v, part.b, part.h, first, s.keys, s.dv);
        __syncthreads();
        bool hidden = t >= s.queries || s.is_hidden(padding, part.b, t, first + lane);
        real score = hidden ? real(0) : scale * dot(own + warp * (HEAD + 1), keys + lane * (HEAD + 1), s.d);
        if (!hidden && mask) score += mask[s.score(part.b, part.h, t) * s.keys + first + lane];
        bool is_seen = warp_sum(hidden ? real(0) : real(1)) > 0;
        // A lane whose key is hidden says what another one says.
        real least = hidden ? real(-1e30) : score, highest = warp_most(least);
        if (is_any) highest = most(highest, largest);
        real weight = hidden ? real(0) : exp(score - highest), kept = is_any && is_seen ? exp(largest - highest) : real(1);
        real added = warp_sum(weight);
        weights[warp][lane] = weight;
        __syncthreads();
        if (is_seen) {
            sum = sum * kept + added;
            for (int i = 0; i < HEAD / WARP && lane + i * WARP < s.dv; i++) {
                sums[i] *= kept;
                for (int j = 0; j < WARP; j++) sums[i] += weights[warp][j] * values[j * (HEAD + 1) + lane + i * WARP];
            }
            largest = highest;
            is_any = true;
        }
    }
    if (t >= s.queries) return;
    // A query that sees nothing becomes zeros, and all its weights too.
    for (int i = 0; i < HEAD / WARP && lane + i * WARP < s.dv; i++) y[s.y.at(part.b, part.h, t) + lane + i * WARP] = is_any ? sums[i] / sum : real(0);
    if (lane == 0) log_sums[s.score(part.b, part.h, t)] = is_any ? largest + log(sum) : real(1e30);
}

// The weights themselves, for looking at: [B, H, T, S].
extern "C" __global__ void attend_weights(int n, const int *sizes, const real *q, const real *k, const real *v, const real *padding, const real *mask, const real *log_sums, real *weights, real scale) {
    EACH(i, n);
    Attention s = *(const Attention *)sizes;
    int row = i / s.keys, key = i % s.keys, b = row / s.queries / s.heads, h = row / s.queries % s.heads, t = row % s.queries;
    real score = scale * dot(q + s.q.at(b, h, t), k + s.k.at(b, h, key), s.d) + (mask ? mask[i] : real(0));
    weights[i] = s.is_hidden(padding, b, t, key) ? real(0) : exp(score - log_sums[row]);
}

// Beside each query, the sum of dy y.
extern "C" __global__ void attend_products(int n, const int *sizes, const real *y, const real *dy, real *products) {
    EACH(i, n);
    Attention s = *(const Attention *)sizes;
    int at = s.y.at(i / s.queries / s.heads, i / s.queries % s.heads, i % s.queries);
    products[i] = dot(y + at, dy + at, s.dv);
}

// The gradient of the queries, and of the mask if somebody wants it.
extern "C" __global__ void attend_back_queries(const int *sizes, const real *q, const real *k, const real *v, const real *padding, const real *mask, const real *dy, const real *log_sums, const real *products, real *dq, int add, real *d_mask, int add_mask, real scale) {
    __shared__ real own[WARPS * (HEAD + 1)], own_dy[WARPS * (HEAD + 1)], keys[WARP * (HEAD + 1)], values[WARP * (HEAD + 1)], slopes[WARPS][WARP];
    Attention s = *(const Attention *)sizes;
    Part part(s, s.queries);
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, t = part.first + warp;
    real sums[HEAD / WARP];
    for (int i = 0; i < HEAD / WARP; i++) sums[i] = 0;
    fetch(own, WARPS, q, s.q, part.b, part.h, part.first, s.queries, s.d);
    fetch(own_dy, WARPS, dy, s.y, part.b, part.h, part.first, s.queries, s.dv);
    for (int first = 0; first < s.keys; first += WARP) {
        __syncthreads();
        fetch(keys, WARP, k, s.k, part.b, part.h, first, s.keys, s.d);
        fetch(values, WARP, v, s.v, part.b, part.h, first, s.keys, s.dv);
        __syncthreads();
        real slope = 0;
        if (t < s.queries && !s.is_hidden(padding, part.b, t, first + lane)) {
            int at = s.score(part.b, part.h, t);
            real score = scale * dot(own + warp * (HEAD + 1), keys + lane * (HEAD + 1), s.d);
            if (mask) score += mask[at * s.keys + first + lane];
            slope = exp(score - log_sums[at]) * (dot(own_dy + warp * (HEAD + 1), values + lane * (HEAD + 1), s.dv) - products[at]);
        }
        if (d_mask && t < s.queries && first + lane < s.keys) put(d_mask + s.score(part.b, part.h, t) * s.keys + first + lane, slope, add_mask);
        slopes[warp][lane] = slope;
        __syncthreads();
        for (int i = 0; i < HEAD / WARP && lane + i * WARP < s.d; i++) {
            for (int j = 0; j < WARP; j++) sums[i] += slopes[warp][j] * keys[j * (HEAD + 1) + lane + i * WARP];
        }
    }
    if (!dq || t >= s.queries) return;
    for (int i = 0; i < HEAD / WARP && lane + i * WARP < s.d; i++) put(dq + s.q.at(part.b, part.h, t) + lane + i * WARP, scale * sums[i], add);
}

// The gradients of keys and values.
extern "C" __global__ void attend_back_keys(const int *sizes, const real *q, const real *k, const real *v, const real *padding, const real *mask, const real *dy, const real *log_sums, const real *products, real *dk, int add_k, real *dv, int add_v, real scale) {
    __shared__ real own[WARPS * (HEAD + 1)], own_v[WARPS * (HEAD + 1)], queries[WARP * (HEAD + 1)], d[WARP * (HEAD + 1)];
    __shared__ real slopes[WARPS][WARP], weights[WARPS][WARP];
    Attention s = *(const Attention *)sizes;
    Part part(s, s.keys);
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, key = part.first + warp;
    real of_key[HEAD / WARP], of_value[HEAD / WARP];
    for (int i = 0; i < HEAD / WARP; i++) of_key[i] = of_value[i] = 0;
    fetch(own, WARPS, k, s.k, part.b, part.h, part.first, s.keys, s.d);
    fetch(own_v, WARPS, v, s.v, part.b, part.h, part.first, s.keys, s.dv);
    for (int first = 0; first < s.queries; first += WARP) {
        __syncthreads();
        fetch(queries, WARP, q, s.q, part.b, part.h, first, s.queries, s.d);
        fetch(d, WARP, dy, s.y, part.b, part.h, first, s.queries, s.dv);
        __syncthreads();
        int t = first + lane;
        real weight = 0, slope = 0;
        if (t < s.queries && !s.is_hidden(padding, part.b, t, key)) {
            int at = s.score(part.b, part.h, t);
            real score = scale * dot(queries + lane * (HEAD + 1), own + warp * (HEAD + 1), s.d);
            if (mask) score += mask[at * s.keys + key];
            weight = exp(score - log_sums[at]);
            slope = weight * (dot(d + lane * (HEAD + 1), own_v + warp * (HEAD + 1), s.dv) - products[at]);
        }
        weights[warp][lane] = weight;
        slopes[warp][lane] = slope;
        __syncthreads();
        for (int i = 0; i < HEAD / WARP; i++) {
            int at = lane + i * WARP;
            for (int j = 0; j < WARP; j++) {
                if (at < s.d) of_key[i] += slopes[warp][j] * queries[j * (HEAD + 1) + at];
                if (at < s.dv) of_value[i] += weights[warp][j] * d[j * (HEAD + 1) + at];
            }
        }
    }
    if (key >= s.keys) return;
    for (int i = 0; i < HEAD / WARP; i++) {
        int at = lane + i * WARP;
        if (dk && at < s.d) put(dk + s.k.at(part.b, part.h, key) + at, scale * of_key[i], add_k);
        if (dv && at < s.dv) put(dv + s.v.at(part.b, part.h, key) + at, of_value[i], add_v);
    }
}
