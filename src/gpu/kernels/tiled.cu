// Products C = A B of a matrix A [M, K] with a matrix B [K, N] that is nowhere in memory as such: its numbers are gathered from images.
// A block computes a tile of C. Both factors pass through its shared memory, DEPTH steps of K at a time, and while those are multiplied
// the next ones are on their way from memory.

#define DEPTH 16

// Where a number is in the images: what its column of B says and what its step of K says are added.
struct Spot {
    int at, row, column;
};

struct Step {
    int a; // Where it is in a row of A; below zero behind the last step.
    Spot spot;
};

// Outside of every image, whatever is added.
__device__ Spot nowhere() { return {0, -(1 << 28), 0}; }

// What all such products have in common. Rows of A are `a_stride` numbers apart; images are h x w, and where they lie `sh` and `sw` pixels
// apart there is nothing in between.
struct Gathered {
    int m, n, k;
    const real *a_from, *b_from;
    int a_stride, h, w, sh, sw;

    __device__ real a(int row, const Step &step) const { return row < m && step.a >= 0 ? a_from[row * a_stride + step.a] : real(0); }

    __device__ real b(const Spot &of_column, const Spot &of_step) const {
        // What is below zero is far above every image.
        unsigned row = of_column.row + of_step.row, column = of_column.column + of_step.column;
        bool is_there = true;
        if (sh > 1 || sw > 1) {
            is_there = row % unsigned(sh) == 0 && column % unsigned(sw) == 0;
            row /= unsigned(sh);
            column /= unsigned(sw);
        }
        is_there = is_there && row < unsigned(h) && column < unsigned(w);
        return is_there ? b_from[of_column.at + of_step.at + int(row * w + column)] : real(0);
    }
};

// Tiles of TM rows and TN columns, by threads that multiply and add: each has RM rows that follow one another, and RN columns, PN of them
// and then those that lie SN times as many further on.
template <int TM, int TN> struct Exact {
    static const int ROWS = TM, COLUMNS = TN, PAD = 4;
    static const int RM = 4, SN = THREADS / (TM / RM), RN = TN / SN, PN = RN < 4 ? RN : 4;
    const int own_m = threadIdx.x / SN * RM, own_n = threadIdx.x % SN * PN;
    real c[RM][RN];

    __device__ Exact() {
        for (int i = 0; i < RM; i++) {
            for (int j = 0; j < RN; j++) c[i][j] = 0;
        }
    }

    __device__ static real rounded(real x) { return x; }

    __device__ void multiply(const real (&a)[DEPTH][TM + PAD], const real (&b)[DEPTH][TN + PAD]) {
#pragma unroll 4
        for (int depth = 0; depth < DEPTH; depth++) {
            Pack<RM> of_a = *(const Pack<RM> *)&a[depth][own_m];
            for (int first = 0; first < RN; first += PN) {
                Pack<PN> of_b = *(const Pack<PN> *)&b[depth][own_n + first * SN];
                for (int i = 0; i < RM; i++) {
                    for (int j = 0; j < PN; j++) c[i][first + j] += of_a.x[i] * of_b.x[j];
                }
            }
        }
    }

    template <class Op> __device__ void store(const Op &op, int m0, int n0) const {
#pragma unroll
        for (int j = 0; j < RN; j++) {
            int n = n0 + own_n + j / PN * PN * SN + j % PN;
#pragma unroll
            for (int i = 0; i < RM; i++) {
                int m = m0 + own_m + i;
                if (m < op.m && n < op.n) op.c(m, n, c[i][j]);
            }
        }
    }
};

template <class Sums> struct alignas(16) Stage {
    real a[DEPTH][Sums::ROWS + Sums::PAD], b[DEPTH][Sums::COLUMNS + Sums::PAD];
    Step steps[DEPTH];
    Spot columns[Sums::COLUMNS];

    // The steps from k on.
    template <class Op> __device__ void turn_to(const Op &op, int k, int k1) {
        int own = k + threadIdx.x;
        if (threadIdx.x < DEPTH) steps[threadIdx.x] = own < k1 ? op.step(own) : Step{-1, nowhere()};
    }
};

// What a thread takes to its block's stage. It has one step of A; and of B one step, where neighbours in memory are neighbours along K,
// or else one column.
template <class Sums, class Op> struct Load {
    static const int AT_ONCE = THREADS / DEPTH, OF_A = Sums::ROWS / AT_ONCE, OF_B = DEPTH * Sums::COLUMNS / THREADS;
    real a[OF_A], b[OF_B];

    __device__ static int a_row(int i) { return threadIdx.x / DEPTH + i * AT_ONCE; }
    __device__ static int depth(int i) { return Op::B_ALONG_K ? threadIdx.x % DEPTH : (threadIdx.x + i * THREADS) / Sums::COLUMNS; }
    __device__ static int column(int i) { return Op::B_ALONG_K ? threadIdx.x / DEPTH + i * AT_ONCE : (threadIdx.x + i * THREADS) % Sums::COLUMNS; }

    __device__ void gather(const Op &op, const Stage<Sums> &stage, int m0) {
        Step own = stage.steps[threadIdx.x % DEPTH];
        for (int i = 0; i < OF_A; i++) a[i] = op.a(m0 + a_row(i), own);
        for (int i = 0; i < OF_B; i++) b[i] = op.b(stage.columns[column(i)], stage.steps[depth(i)].spot);
    }

    __device__ void put(Stage<Sums> &stage) const {
        for (int i = 0; i < OF_A; i++) stage.a[threadIdx.x % DEPTH][a_row(i)] = Sums::rounded(a[i]);
        for (int i = 0; i < OF_B; i++) stage.b[depth(i)][column(i)] = Sums::rounded(b[i]);
    }
};

// The tile that begins with row m0 and column n0, summed over the steps from k0 to k1.
template <class Sums, class Op> __device__ void tile(const Op &op, int m0, int n0, int k0, int k1) {
    __shared__ Stage<Sums> stage;
    Load<Sums, Op> load;
    Sums sums;
    for (int i = threadIdx.x; i < Sums::COLUMNS; i += THREADS) stage.columns[i] = n0 + i < op.n ? op.column(n0 + i) : nowhere();
    stage.turn_to(op, k0, k1);
    __syncthreads();
    load.gather(op, stage, m0);
    for (int k = k0; k < k1; k += DEPTH) {
        __syncthreads();
        load.put(stage);
        stage.turn_to(op, k + DEPTH, k1);
        __syncthreads();
        if (k + DEPTH < k1) load.gather(op, stage, m0);
        sums.multiply(stage.a, stage.b);
    }
    sums.store(op, m0, n0);
}

__device__ int tiles(int size, int tile) { return (size + tile - 1) / tile; }
