// Normalizations.

// The mean of each slot of each channel, and the sum of squared differences from it. Differences from any of the numbers have small
// sums, which keep their digits.
extern "C" __global__ void batch_moments(const real *x, real *to, int outer, int channels, int inner, int slots) {
    int channel = blockIdx.x / slots, slot = blockIdx.x % slots;
    int begin = slot_begin(slot, slots, outer), count = (slot_begin(slot + 1, slots, outer) - begin) * inner;
    real one = x[(begin * channels + channel) * inner], sum = 0, squares = 0;
    for (int i = threadIdx.x; i < count; i += THREADS) sum += x[((begin + i / inner) * channels + channel) * inner + i % inner] - one;
    real mean = one + block_sum(sum) / count;
    for (int i = threadIdx.x; i < count; i += THREADS) {
        real d = x[((begin + i / inner) * channels + channel) * inner + i % inner] - mean;
        squares += d * d;
    }
    squares = block_sum(squares);
    if (threadIdx.x == 0) {
        to[(slot * 2 + 0) * channels + channel] = mean;
        to[(slot * 2 + 1) * channels + channel] = squares;
    }
}

// Merges the slots of each channel, pairwise: Chan, Golub and LeVeque, 1983. Writes the mean and the reciprocal of the deviation, and has
// the running statistics follow.
extern "C" __global__ void batch_statistics(int n, const real *from, real *mean, real *scale, real *running, int outer, int inner, int slots, real epsilon, real momentum) {
    EACH(c, n);
    real centre = from[c], squares = from[n + c], count = real(slot_begin(1, slots, outer)) * inner;
    for (int slot = 1; slot < slots; slot++) {
        real others = real(slot_begin(slot + 1, slots, outer) - slot_begin(slot, slots, outer)) * inner;
        real d = from[(slot * 2 + 0) * n + c] - centre;
        centre += d * others / (count + others);
        squares += from[(slot * 2 + 1) * n + c] + d * d * count * others / (count + others);
        count += others;
    }
    mean[c] = centre;
    scale[c] = 1 / sqrt(squares / count + epsilon);
    running[c] = running[c] * (1 - momentum) + centre * momentum;
    running[n + c] = running[n + c] * (1 - momentum) + squares / (count > 1 ? count - 1 : real(1)) * momentum;
    if (c == 0) running[2 * n] += 1;
}

// The statistics of a network that is not being trained.
extern "C" __global__ void running_statistics(int n, const real *running, real *mean, real *scale, real epsilon) {
    EACH(c, n);
    mean[c] = running[c];
    scale[c] = 1 / sqrt(running[n + c] + epsilon);
}

extern "C" __global__ void batch_norm(int n, const real *x, real *y, const real *mean, const real *scale, const real *weight, const real *bias, int channels, int inner) {
    EACH(i, n);
    int c = i / inner % channels;
    y[i] = (x[i] - mean[c]) * (weight ? scale[c] * weight[c] : scale[c]) + (bias ? bias[c] : 0);
}

// `sums` are those of dy, and of dy times the normalized x, of each channel; null where the statistics do not depend on the batch.
extern "C" __global__ void batch_norm_back(int n, const real *x, const real *dy, real *dx, int add, const real *mean, const real *scale, const real *weight, const real *sums, int channels, int inner, real count) {
    EACH(i, n);
    int c = i / inner % channels;
    real shift = sums ? sums[c] / count : 0, slope = sums ? sums[channels + c] / count : 0;
    real normal = (x[i] - mean[c]) * scale[c];
    put(dx + i, (dy[i] - shift - normal * slope) * (weight ? scale[c] * weight[c] : scale[c]), add);
}

// Rows of `row` numbers, each normalized by itself, by a warp; weight number i / run % weights belongs to number i. Without weights
// there are none.
extern "C" __global__ void normalize(const real *x, real *y, real *mean, real *scale, const real *weight, const real *bias, int rows, int row, int run, int weights, real epsilon) {
    int r = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    // Warps without a row go along with the last one, since all threads of a block meet.
    int begin = (r < rows ? r : rows - 1) * row;
    real one = x[begin], sum = 0, squares = 0;
    for (int i = lane; i < row; i += WARP) sum += x[begin + i] - one;
    real centre = one + warp_sum(sum) / row;
    for (int i = lane; i < row; i += WARP) squares += (x[begin + i] - centre) * (x[begin + i] - centre);
    real factor = 1 / sqrt(warp_sum(squares) / row + epsilon);
    if (r >= rows) return;
    if (lane == 0) {
        mean[r] = centre;
        scale[r] = factor;
    }
    for (int i = lane; i < row; i += WARP) {
        int w = (begin + i) / run % weights;
        real normal = (x[begin + i] - centre) * factor;
        y[begin + i] = weight ? normal * weight[w] + bias[w] : normal;
    }
}

extern "C" __global__ void normalize_back(const real *x, const real *dy, real *dx, int add, const real *mean, const real *scale, const real *weight, int rows, int row, int run, int weights) {
    int r = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int own = r < rows ? r : rows - 1, begin = own * row;
    real centre = mean[own], factor = scale[own], shift = 0, slope = 0;
    for (int i = lane; i < row; i += WARP) {
        real d = weight ? dy[begin + i] * weight[(begin + i) / run % weights] : dy[begin + i];
        shift += d;
        slope += d * (x[begin + i] - centre) * factor;
    }
    shift = warp_sum(shift) / row;
    slope = warp_sum(slope) / row;
    if (r >= rows) return;
    for (int i = lane; i < row; i += WARP) {
        real d = weight ? dy[begin + i] * weight[(begin + i) / run % weights] : dy[begin + i];
        put(dx + begin + i, (d - shift - (x[begin + i] - centre) * factor * slope) * factor, add);
    }
}
