// y = softmax(scale q k^T + mask) v in each head, without the scores in memory: each query keeps the logarithm of its sum, from which
// they are made again on the way back. A block has OWN queries, or on the way back for keys so many keys, and goes through the others
// OTHERS at a time. Its threads are a square: each has the products of PER rows of its own with two of the others.

// Registers for two blocks at a time, of numbers of 32 bits.
#define ATTEND extern "C" __launch_bounds__(THREADS, sizeof(real) == 4 ? 2 : 1)

// How many numbers a query, a key or a value has at most.
const int HEAD = 128;
const int OWN = 64, OTHERS = 32, SIDE = 16, PER = OWN / SIDE;
// Columns that are multiplied, and those that are summed, at a time.
const int CHUNK = sizeof(real) == 4 ? 32 : 16, SPREAD = 32, WIDE = SPREAD / SIDE;
// Behind each row in shared memory, so that rows begin in different banks, and where four numbers can be read at once.
const int BEHIND = 16 / sizeof(real);

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
        return t >= queries || s >= keys || (causal && s > t) || (padding && padding[b * keys + s] != 0);
    }
    __device__ int score(int b, int h, int t) const { return ((b * heads + h) * queries + t); }
};

// The block's sample and head, and its first row of `rows`; and which of its rows and columns are the thread's own.
struct Part {
    int b, h, first, own_row = threadIdx.x / SIDE * PER, own_column = threadIdx.x % SIDE;

    __device__ Part(const Attention &s, int rows) {
        int tiles = (rows + OWN - 1) / OWN, i = blockIdx.x;
        first = i % tiles * OWN;
        i /= tiles;
        h = i % s.heads;
        b = i / s.heads;
    }
};

// The matrix of a head.
struct Matrix {
    const real *from;
    int stride, rows, columns;

    __device__ Matrix(const real *from, const Operand &at, const Part &part, int rows, int columns)
        : from(from + at.at(part.b, part.h, 0)), stride(at.row), rows(rows), columns(columns) {}
};

// What a block shares. The weights are those of its own rows for the others.
struct alignas(16) Shared {
    real own[OWN][CHUNK + BEHIND], others[OTHERS][CHUNK + BEHIND], spread[OTHERS][SPREAD + BEHIND], weights[OWN][OTHERS + BEHIND];
};

// Rows and columns of a matrix from the first ones on; those behind the last are zeros.
template <int ROWS, int COLUMNS>
__device__ void fetch(real (&to)[ROWS][COLUMNS + BEHIND], const Matrix &matrix, int first_row, int first_column) {
    const int AT_ONCE = THREADS / COLUMNS;
    int row = threadIdx.x / COLUMNS, column = threadIdx.x % COLUMNS;
    const real *from = matrix.from + (first_row + row) * matrix.stride + first_column + column;
    // Those that there are of this column.
    int end = first_column + column < matrix.columns ? matrix.rows - first_row - row : 0;
#pragma unroll
    for (int i = 0; i < ROWS; i += AT_ONCE) to[row + i][column] = i < end ? from[i * matrix.stride] : real(0);
}

// The products of the thread's own rows with its two of the others, which lie SIDE apart.
struct Dots {
    real c[PER][2];

    __device__ Dots(Shared &shared, const Part &part, const Matrix &own, const Matrix &others, int first) {
        for (int i = 0; i < PER; i++) c[i][0] = c[i][1] = 0;
        for (int begin = 0; begin < own.columns; begin += CHUNK) {
            __syncthreads();
            fetch<OWN, CHUNK>(shared.own, own, part.first, begin);
            fetch<OTHERS, CHUNK>(shared.others, others, first, begin);
            __syncthreads();
#pragma unroll 2
            for (int k = 0; k < CHUNK; k += 4) {
                Pack<4> of_others[2];
                for (int j = 0; j < 2; j++) of_others[j] = *(const Pack<4> *)&shared.others[part.own_column + j * SIDE][k];
                for (int i = 0; i < PER; i++) {
                    Pack<4> of_own = *(const Pack<4> *)&shared.own[part.own_row + i][k];
                    for (int j = 0; j < 2; j++) {
                        for (int n = 0; n < 4; n++) c[i][j] += of_own.x[n] * of_others[j].x[n];
                    }
                }
            }
        }
    }
};

// Sums of rows of the others by weights, in the thread's own rows and WIDE columns of each SPREAD.
struct Means {
    real sums[HEAD / SPREAD][PER][WIDE];

    __device__ Means() {
        for (int part = 0; part < HEAD / SPREAD; part++) {
            for (int i = 0; i < PER; i++) {
                for (int j = 0; j < WIDE; j++) sums[part][i][j] = 0;
            }
        }
    }

    __device__ void scale(int i, real factor) {
        for (int part = 0; part < HEAD / SPREAD; part++) {
            for (int j = 0; j < WIDE; j++) sums[part][i][j] *= factor;
        }
    }

    // By the weights that were written before.
    __device__ void add(Shared &shared, const Part &own, const Matrix &others, int first) {
#pragma unroll
        for (int part = 0; part < HEAD / SPREAD; part++) {
            if (part * SPREAD >= others.columns) break;
            __syncthreads();
            fetch<OTHERS, SPREAD>(shared.spread, others, first, part * SPREAD);
            __syncthreads();
#pragma unroll 2
            for (int k = 0; k < OTHERS; k += 4) {
                Pack<4> weights[PER];
                for (int i = 0; i < PER; i++) weights[i] = *(const Pack<4> *)&shared.weights[own.own_row + i][k];
                for (int n = 0; n < 4; n++) {
                    Pack<WIDE> of_others = *(const Pack<WIDE> *)&shared.spread[k + n][own.own_column * WIDE];
                    for (int i = 0; i < PER; i++) {
                        for (int j = 0; j < WIDE; j++) sums[part][i][j] += weights[i].x[n] * of_others.x[j];
                    }
                }
            }
        }
    }

    // Each of `factors` times its row.
    __device__ void store(const Part &own, real *to, const Operand &at, int rows, int columns, const real (&factors)[PER], int add) const {
#pragma unroll
        for (int i = 0; i < PER; i++) {
            int row = own.first + own.own_row + i;
            if (row >= rows) continue;
#pragma unroll
            for (int n = 0; n < HEAD / SIDE; n++) {
                int column = n / WIDE * SPREAD + own.own_column * WIDE + n % WIDE;
                if (column < columns) put(to + at.at(own.b, own.h, row) + column, sums[n / WIDE][i][n % WIDE] * factors[i], add);
            }
        }
    }
};

// The sum, or the largest, over the threads that have the same rows.
__device__ real row_sum(real x) {
    for (int lane = SIDE / 2; lane > 0; lane /= 2) x += __shfl_xor_sync(ALL, x, lane);
    return x;
}
__device__ real row_most(real x) {
    for (int lane = SIDE / 2; lane > 0; lane /= 2) x = most(x, __shfl_xor_sync(ALL, x, lane));
    return x;
}

ATTEND __global__ void attend(const int *sizes, const real *q, const real *k, const real *v, const real *padding, const real *mask, real *y, real *log_sums, real scale) {
    __shared__ Shared shared;
    Attention s = *(const Attention *)sizes;
    Part part(s, s.queries);
    Matrix queries(q, s.q, part, s.queries, s.d), keys(k, s.k, part, s.keys, s.d), values(v, s.v, part, s.keys, s.dv);
    Means means;
    real largest[PER], sum[PER], factors[PER];
    bool is_any[PER];
    for (int i = 0; i < PER; i++) {
        largest[i] = sum[i] = 0;
        is_any[i] = false;
    }
    int end = s.causal && part.first + OWN < s.keys ? part.first + OWN : s.keys;
    for (int first = 0; first < end; first += OTHERS) {
        Dots dots(shared, part, queries, keys, first);
#pragma unroll
        for (int i = 0; i < PER; i++) {
            int t = part.first + part.own_row + i;
            bool hidden[2];
            // A key that is hidden says what another one says.
            real highest = -1e30f, seen = 0, weights[2] = {0, 0};
            for (int j = 0; j < 2; j++) {
                int key = first + part.own_column + j * SIDE;
                hidden[j] = s.is_hidden(padding, part.b, t, key);
                if (hidden[j]) continue;
                weights[j] = scale * dots.c[i][j];
                if (mask) weights[j] += mask[s.score(part.b, part.h, t) * s.keys + key];
                highest = most(weights[j], highest);
                seen += 1;
            }
            highest = row_most(highest);
            bool is_seen = row_sum(seen) > 0;
            if (is_any[i]) highest = most(highest, largest[i]);
            for (int j = 0; j < 2; j++) {
                weights[j] = hidden[j] ? real(0) : exp(weights[j] - highest);
                shared.weights[part.own_row + i][part.own_column + j * SIDE] = weights[j];
            }
            real added = row_sum(weights[0] + weights[1]);
            if (is_seen) {
                real kept = is_any[i] ? exp(largest[i] - highest) : real(1);
                sum[i] = sum[i] * kept + added;
                means.scale(i, kept);
                largest[i] = highest;
                is_any[i] = true;
            }
        }
        means.add(shared, part, values, first);
    }
#pragma unroll
    for (int i = 0; i < PER; i++) {
        int t = part.first + part.own_row + i;
        // A query that sees nothing becomes zeros, and all its weights too.
        factors[i] = is_any[i] ? 1 / sum[i] : real(0);
        if (t < s.queries && part.own_column == 0) log_sums[s.score(part.b, part.h, t)] = is_any[i] ? largest[i] + log(sum[i]) : real(1e30f);
    }
    means.store(part, y, s.y, s.queries, s.dv, factors, 0);
}

__device__ real dot(const real *a, const real *b, int n) {
    real sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
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

// The weight of a key for a query, and the gradient of their score.
struct Slope {
    real weight = 0, slope = 0;

    __device__ Slope(const Attention &s, const Part &part, const real *padding, const real *mask, const real *log_sums, const real *products, real scale, int t, int key, real score, real d) {
        if (s.is_hidden(padding, part.b, t, key)) return;
        int at = s.score(part.b, part.h, t);
        weight = exp(scale * score + (mask ? mask[at * s.keys + key] : real(0)) - log_sums[at]);
        slope = weight * (d - products[at]);
    }
};

// The gradient of the queries, and of the mask if somebody wants it.
ATTEND __global__ void attend_back_queries(const int *sizes, const real *q, const real *k, const real *v, const real *padding, const real *mask, const real *dy, const real *log_sums, const real *products, real *dq, int add, real *d_mask, int add_mask, real scale) {
    __shared__ Shared shared;
    Attention s = *(const Attention *)sizes;
    Part part(s, s.queries);
    Matrix queries(q, s.q, part, s.queries, s.d), keys(k, s.k, part, s.keys, s.d), values(v, s.v, part, s.keys, s.dv), d(dy, s.y, part, s.queries, s.dv);
    Means means;
    // What is hidden has a gradient too, which is zero.
    int end = s.causal && !d_mask && part.first + OWN < s.keys ? part.first + OWN : s.keys;
    for (int first = 0; first < end; first += OTHERS) {
        Dots scores(shared, part, queries, keys, first), of_weights(shared, part, d, values, first);
#pragma unroll
        for (int i = 0; i < PER; i++) {
            int t = part.first + part.own_row + i;
            for (int j = 0; j < 2; j++) {
                int key = first + part.own_column + j * SIDE;
                Slope of(s, part, padding, mask, log_sums, products, scale, t, key, scores.c[i][j], of_weights.c[i][j]);
                shared.weights[part.own_row + i][part.own_column + j * SIDE] = of.slope;
                if (d_mask && t < s.queries && key < s.keys) put(d_mask + s.score(part.b, part.h, t) * s.keys + key, of.slope, add_mask);
            }
        }
        means.add(shared, part, keys, first);
    }
    real factors[PER];
    for (int i = 0; i < PER; i++) factors[i] = scale;
    if (dq) means.store(part, dq, s.q, s.queries, s.d, factors, add);
}

// The gradients of keys and values.
ATTEND __global__ void attend_back_keys(const int *sizes, const real *q, const real *k, const real *v, const real *padding, const real *mask, const real *dy, const real *log_sums, const real *products, real *dk, int add_k, real *dv, int add_v, real scale) {
    __shared__ Shared shared;
    Attention s = *(const Attention *)sizes;
    Part part(s, s.keys);
    Matrix queries(q, s.q, part, s.queries, s.d), keys(k, s.k, part, s.keys, s.d), values(v, s.v, part, s.keys, s.dv), d(dy, s.y, part, s.queries, s.dv);
    Means of_keys, of_values;
    // Queries before all of these keys do not see them.
    for (int first = s.causal ? part.first : 0; first < s.queries; first += OTHERS) {
        Dots scores(shared, part, keys, queries, first), of_weights(shared, part, values, d, first);
        real slopes[PER][2];
#pragma unroll
        for (int i = 0; i < PER; i++) {
            for (int j = 0; j < 2; j++) {
                int t = first + part.own_column + j * SIDE, key = part.first + part.own_row + i;
                Slope of(s, part, padding, mask, log_sums, products, scale, t, key, scores.c[i][j], of_weights.c[i][j]);
                shared.weights[part.own_row + i][part.own_column + j * SIDE] = of.weight;
                slopes[i][j] = of.slope;
            }
        }
        of_values.add(shared, part, d, first);
        __syncthreads();
        for (int i = 0; i < PER; i++) {
            for (int j = 0; j < 2; j++) shared.weights[part.own_row + i][part.own_column + j * SIDE] = slopes[i][j];
        }
        of_keys.add(shared, part, queries, first);
    }
    real factors[PER], ones[PER];
    for (int i = 0; i < PER; i++) {
        factors[i] = scale;
        ones[i] = 1;
    }
    if (dk) of_keys.store(part, dk, s.k, s.keys, s.d, factors, add_k);
    if (dv) of_values.store(part, dv, s.v, s.keys, s.dv, ones, add_v);
}
