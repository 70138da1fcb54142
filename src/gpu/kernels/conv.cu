// Convolutions as products that gather one factor from images: nothing is laid out in memory first.

// What there is to know of a convolution, all of it whole numbers. Images are [B, G ci, h, w] and [B, G co, oh, ow], weights
// [G co, ci, kh, kw].
struct Conv {
    int samples, groups, ci, co, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;

    __device__ int taps() const { return kh * kw; }
    __device__ int pixels() const { return h * w; }
    __device__ int windows() const { return oh * ow; }

    // The first pixel of a window of all samples, and how far each weight of a filter is from there, channel by channel.
    __device__ Spot window(int i, int group) const {
        int sample = i / windows(), window = i % windows();
        return {(sample * groups + group) * ci * pixels(), window / ow * sh - ph, window % ow * sw - pw};
    }
    __device__ Spot tap(int i) const {
        int channel = i / taps(), tap = i % taps();
        return {channel * pixels(), tap / kw * dh, tap % kw * dw};
    }
};

// The tile of block i: which group, slot, row and column.
struct Place {
    int group, slot, m, n;

    __device__ Place(int i, int rows, int columns, int slots) {
        n = i % columns;
        i /= columns;
        m = i % rows;
        i /= rows;
        slot = i % slots;
        group = i / slots;
    }
};

// y[o, (b, window)] = sum over (c, tap) of w[o, (c, tap)] x[b, c, pixel]
struct ConvForward : Gathered {
    static const bool B_ALONG_K = false;
    Conv s;
    const real *bias;
    real *y;
    int group;

    __device__ ConvForward(const Conv &s, const real *x, const real *weight, const real *bias, real *y, int group)
        : Gathered{s.co, s.samples * s.windows(), s.ci * s.taps(), weight + group * s.co * s.ci * s.taps(), x, s.ci * s.taps(), s.h, s.w, 1, 1}, s(s),
          bias(bias), y(y), group(group) {}

    __device__ Spot column(int n) const { return s.window(n, group); }
    __device__ Step step(int k) const { return {k, s.tap(k)}; }
    __device__ void c(int o, int n, real sum) const {
        int sample = n / s.windows(), channel = group * s.co + o;
        y[(sample * s.groups * s.co + channel) * s.windows() + n % s.windows()] = bias ? sum + bias[channel] : sum;
    }
};

// dx[c, (b, pixel)] = sum over (o, tap) of w[o, (c, tap)] dy[b, o, window], where the tap lies on the pixel: a transposed convolution.
struct ConvBack : Gathered {
    static const bool B_ALONG_K = false;
    Conv s;
    const real *bias;
    real *dx;
    int add, group;

    __device__ ConvBack(const Conv &s, const real *dy, const real *weight, const real *bias, real *dx, int add, int group)
        : Gathered{s.ci, s.samples * s.pixels(), s.co * s.taps(), weight + group * s.co * s.ci * s.taps(), dy, s.taps(), s.oh, s.ow, s.sh, s.sw}, s(s),
          bias(bias), dx(dx), add(add), group(group) {}

    __device__ Spot column(int n) const {
        int sample = n / s.pixels(), pixel = n % s.pixels();
        return {(sample * s.groups + group) * s.co * s.windows(), pixel / s.w + s.ph, pixel % s.w + s.pw};
    }
    __device__ Step step(int k) const {
        int o = k / s.taps(), tap = k % s.taps();
        return {o * s.ci * s.taps() + tap, {o * s.windows(), -(tap / s.kw) * s.dh, -(tap % s.kw) * s.dw}};
    }
    __device__ void c(int c, int n, real sum) const {
        int sample = n / s.pixels(), channel = group * s.ci + c;
        real number = bias ? sum + bias[channel] : sum;
        put(dx + (sample * s.groups * s.ci + channel) * s.pixels() + n % s.pixels(), number, add);
    }
};

// dw[o, (c, tap)] = sum over (b, window) of dy[b, o, window] x[b, c, pixel], in slots of K that are added up later.
struct ConvWeight : Gathered {
    static const bool B_ALONG_K = true;
    Conv s;
    real *to;
    int group;

    __device__ ConvWeight(const Conv &s, const real *x, const real *dy, real *to, int group)
        : Gathered{s.co, s.ci * s.taps(), s.samples * s.windows(), dy + group * s.co * s.windows(), x, s.windows(), s.h, s.w, 1, 1}, s(s), to(to),
          group(group) {}

    __device__ Spot column(int n) const { return s.tap(n); }
    __device__ Step step(int k) const { return {k / s.windows() * s.groups * s.co * s.windows() + k % s.windows(), s.window(k, group)}; }
    __device__ void c(int o, int n, real sum) const { to[(group * s.co + o) * this->n + n] = sum; }
};

template <class Sums> __device__ void conv_forward(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    Conv s = *(const Conv *)sizes;
    Place at(blockIdx.x, tiles(s.co, Sums::ROWS), tiles(s.samples * s.windows(), Sums::COLUMNS), 1);
    ConvForward op(s, x, weight, bias, y, at.group);
    tile<Sums>(op, at.m * Sums::ROWS, at.n * Sums::COLUMNS, 0, op.k);
}

template <class Sums>
__device__ void conv_back(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    Conv s = *(const Conv *)sizes;
    Place at(blockIdx.x, tiles(s.ci, Sums::ROWS), tiles(s.samples * s.pixels(), Sums::COLUMNS), 1);
    ConvBack op(s, dy, weight, bias, dx, add, at.group);
    tile<Sums>(op, at.m * Sums::ROWS, at.n * Sums::COLUMNS, 0, op.k);
}

// Slot number i lies i times all weights behind the first one.
template <class Sums> __device__ void conv_weight(const int *sizes, const real *x, const real *dy, real *to, int slots) {
    Conv s = *(const Conv *)sizes;
    Place at(blockIdx.x, tiles(s.co, Sums::ROWS), tiles(s.ci * s.taps(), Sums::COLUMNS), slots);
    ConvWeight op(s, x, dy, to + at.slot * s.groups * s.co * s.ci * s.taps(), at.group);
    int begin = slot_begin(at.slot, slots, op.k), end = slot_begin(at.slot + 1, slots, op.k);
    tile<Sums>(op, at.m * Sums::ROWS, at.n * Sums::COLUMNS, begin, end);
}

// Few channels, and many: the tiles in Rust are `TILES`.
extern "C" __launch_bounds__(THREADS) __global__ void conv_few(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    conv_forward<Exact<16, 256>>(sizes, x, weight, bias, y);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_many(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    conv_forward<Exact<64, 128>>(sizes, x, weight, bias, y);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_back_few(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    conv_back<Exact<16, 256>>(sizes, dy, weight, bias, dx, add);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_back_many(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    conv_back<Exact<64, 128>>(sizes, dy, weight, bias, dx, add);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_weight_few(const int *sizes, const real *x, const real *dy, real *to, int slots) {
    conv_weight<Exact<16, 64>>(sizes, x, dy, to, slots);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_weight_many(const int *sizes, const real *x, const real *dy, real *to, int slots) {
    conv_weight<Exact<64, 128>>(sizes, x, dy, to, slots);
}
