// Sums over channels. Numbers are [outer, C, inner]: C channels, of `inner` numbers that follow one another, `outer` times. Sums over a
// channel are made in slots, some of the outer ones each, which are added in order: the same bits every time.

// The part of the outer ones that a slot has.
__device__ int slot_begin(int slot, int slots, int outer) { return int((long long)outer * slot / slots); }

// What is summed beside dy: nothing, dy times the normalized x of its channel, and the same of its row.
struct Plain {
    __device__ static real factor(const real *, const real *, const real *, int, int, int) { return 0; }
};
struct OfChannel {
    __device__ static real factor(const real *x, const real *mean, const real *scale, int at, int channel, int) {
        return (x[at] - mean[channel]) * scale[channel];
    }
};
struct OfRow {
    __device__ static real factor(const real *x, const real *mean, const real *scale, int at, int, int row) {
        return (x[at] - mean[at / row]) * scale[at / row];
    }
};

// Block c * slots + s sums slot s of channel c: to[s][0][c] is the sum of dy, and to[s][1][c] that of dy times its factor.
template <class F>
__device__ void channel_sums(const real *dy, const real *x, const real *mean, const real *scale, real *to, int outer, int channels, int inner, int slots, int row) {
    int channel = blockIdx.x / slots, slot = blockIdx.x % slots;
    int begin = slot_begin(slot, slots, outer), count = (slot_begin(slot + 1, slots, outer) - begin) * inner;
    real shift = 0, slope = 0;
    for (int i = threadIdx.x; i < count; i += THREADS) {
        int at = ((begin + i / inner) * channels + channel) * inner + i % inner;
        shift += dy[at];
        slope += dy[at] * F::factor(x, mean, scale, at, channel, row);
    }
    shift = block_sum(shift);
    slope = block_sum(slope);
    if (threadIdx.x == 0) {
        to[(slot * 2 + 0) * channels + channel] = shift;
        to[(slot * 2 + 1) * channels + channel] = slope;
    }
}

// The same where a channel is a column: a block has a slot of 32 columns, which its 8 warps read row by row.
template <class F>
__device__ void column_sums(const real *dy, const real *x, const real *mean, const real *scale, real *to, int outer, int channels, int slots, int row) {
    __shared__ real sums[2][THREADS];
    int channel = blockIdx.x / slots * WARP + threadIdx.x % WARP, slot = blockIdx.x % slots;
    real shift = 0, slope = 0;
    if (channel < channels) {
        for (int r = slot_begin(slot, slots, outer) + threadIdx.x / WARP; r < slot_begin(slot + 1, slots, outer); r += THREADS / WARP) {
            int at = r * channels + channel;
            shift += dy[at];
            slope += dy[at] * F::factor(x, mean, scale, at, channel, row);
        }
    }
    sums[0][threadIdx.x] = shift;
    sums[1][threadIdx.x] = slope;
    __syncthreads();
    if (threadIdx.x < WARP && channel < channels) {
        for (int which = 0; which < 2; which++) {
            real sum = 0;
            for (int warp = 0; warp < THREADS / WARP; warp++) sum += sums[which][warp * WARP + threadIdx.x];
            to[(slot * 2 + which) * channels + channel] = sum;
        }
    }
}

template <class F>
__device__ void sums(const real *dy, const real *x, const real *mean, const real *scale, real *to, int outer, int channels, int inner, int slots, int row) {
    if (inner == 1) column_sums<F>(dy, x, mean, scale, to, outer, channels, slots, row);
    else channel_sums<F>(dy, x, mean, scale, to, outer, channels, inner, slots, row);
}

extern "C" __global__ void sums_plain(const real *dy, real *to, int outer, int channels, int inner, int slots) {
    sums<Plain>(dy, nullptr, nullptr, nullptr, to, outer, channels, inner, slots, 1);
}
extern "C" __global__ void sums_of_channels(const real *dy, const real *x, const real *mean, const real *scale, real *to, int outer, int channels, int inner, int slots) {
    sums<OfChannel>(dy, x, mean, scale, to, outer, channels, inner, slots, 1);
}
extern "C" __global__ void sums_of_rows(const real *dy, const real *x, const real *mean, const real *scale, real *to, int outer, int channels, int inner, int slots, int row) {
    sums<OfRow>(dy, x, mean, scale, to, outer, channels, inner, slots, row);
}

// Adds up slots that are `stride` numbers apart.
extern "C" __global__ void sum_slots(int n, const real *from, real *to, int slots, int stride, int add) {
    EACH(i, n);
    real sum = 0;
    // Several are on their way at once.
#pragma unroll 8
    for (int slot = 0; slot < slots; slot++) sum += from[slot * stride + i];
    put(to + i, sum, add);
}
