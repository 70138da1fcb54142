// Products of matrices that are nowhere in memory as such: an operation says what number is in each place of A [M, K] and B [K, N], and
// takes those of C [M, N]. A block computes a tile of C, of TM rows and TN columns; both factors pass through its shared memory DEPTH
// numbers of K at a time.

#define DEPTH 16
#define SIDE 16 // The threads of a block are a square.

template <int TM, int TN, class Op> __device__ void tile(const Op &op, int m0, int n0, int k0, int k1) {
    __shared__ real a[DEPTH][TM + 1], b[DEPTH][TN + 1];
    const int own_m = threadIdx.x / SIDE, own_n = threadIdx.x % SIDE;
    real c[TM / SIDE][TN / SIDE];
    for (int i = 0; i < TM / SIDE; i++) {
        for (int j = 0; j < TN / SIDE; j++) c[i][j] = 0;
    }
    for (int k = k0; k < k1; k += DEPTH) {
        for (int i = threadIdx.x; i < DEPTH * TM; i += THREADS) {
            int row = i / DEPTH, depth = i % DEPTH;
            a[depth][row] = m0 + row < op.m && k + depth < k1 ? op.a(m0 + row, k + depth) : real(0);
        }
        for (int i = threadIdx.x; i < DEPTH * TN; i += THREADS) {
            // Threads that are neighbours read neighbours.
            int column = Op::B_ALONG_K ? i / DEPTH : i % TN, depth = Op::B_ALONG_K ? i % DEPTH : i / TN;
            b[depth][column] = n0 + column < op.n && k + depth < k1 ? op.b(k + depth, n0 + column) : real(0);
        }
        __syncthreads();
        for (int depth = 0; depth < DEPTH; depth++) {
            for (int i = 0; i < TM / SIDE; i++) {
                for (int j = 0; j < TN / SIDE; j++) c[i][j] += a[depth][own_m + i * SIDE] * b[depth][own_n + j * SIDE];
            }
        }
        __syncthreads();
    }
    for (int i = 0; i < TM / SIDE; i++) {
        for (int j = 0; j < TN / SIDE; j++) {
            int m = m0 + own_m + i * SIDE, n = n0 + own_n + j * SIDE;
            if (m < op.m && n < op.n) op.c(m, n, c[i][j]);
        }
    }
}

__device__ int tiles(int size, int tile) { return (size + tile - 1) / tile; }
