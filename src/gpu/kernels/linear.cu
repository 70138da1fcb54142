// What dense layers and others do besides products of matrices.

// Each row begins with the bias.
extern "C" __global__ void fill_rows(int n, const real *bias, real *y, int width) {
    EACH(i, n);
    y[i] = bias[i % width];
}

// y = x + w, where each sample has `width` numbers and w is the same for all.
extern "C" __global__ void add_each(int n, const real *x, const real *w, real *y, int width) {
    EACH(i, n);
    y[i] = x[i] + w[i % width];
}

// Rows of a table, by their numbers, which are written as reals.
extern "C" __global__ void embedding(int n, const real *ids, const real *weight, real *y, int width) {
    EACH(i, n);
    y[i] = weight[int(ids[i / width]) * width + i % width];
}

// A block adds up the gradients of one row of the table, in the order of the tokens.
extern "C" __global__ void embedding_back(const real *ids, const real *dy, real *d_weight, int tokens, int width, int padding) {
    __shared__ int is_here[THREADS];
    int row = blockIdx.x;
    if (row == padding) return;
    for (int first = 0; first < tokens; first += THREADS) {
        int own = first + threadIdx.x;
        is_here[threadIdx.x] = own < tokens && int(ids[own]) == row;
        __syncthreads();
        for (int i = threadIdx.x; i < width; i += THREADS) {
            real sum = 0;
            for (int t = 0; t < THREADS; t++) {
                if (is_here[t]) sum += dy[(first + t) * width + i];
            }
            d_weight[row * width + i] += sum;
        }
        __syncthreads();
    }
}
