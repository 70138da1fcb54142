// Convolutions as products that gather one factor from images: nothing is laid out in memory first.

// What there is to know of a convolution, all of it whole numbers. Images are [B, G ci, h, w] and [B, G co, oh, ow], weights
// [G co, ci, kh, kw].
struct Conv {
    int samples, groups, ci, co, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;

    __device__ int taps() const { return kh * kw; }
    __device__ int pixels() const { return h * w; }
    __device__ int windows() const { return oh * ow; }
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
struct ConvForward {
    static const bool B_ALONG_K = false;
    Conv s;
    const real *x, *weight, *bias;
    real *y;
    int group, m, n, k;

    __device__ ConvForward(const Conv &s, const real *x, const real *weight, const real *bias, real *y, int group)
        : s(s), x(x), weight(weight), bias(bias), y(y), group(group), m(s.co), n(s.samples * s.windows()), k(s.ci * s.taps()) {}

    __device__ real a(int o, int k) const { return weight[(group * s.co + o) * this->k + k]; }
    __device__ real b(int k, int n) const {
        int channel = k / s.taps(), tap = k % s.taps(), sample = n / s.windows(), window = n % s.windows();
        int row = window / s.ow * s.sh + tap / s.kw * s.dh - s.ph, column = window % s.ow * s.sw + tap % s.kw * s.dw - s.pw;
        if (row < 0 || row >= s.h || column < 0 || column >= s.w) return 0;
        return x[((sample * s.groups + group) * s.ci + channel) * s.pixels() + row * s.w + column];
    }
    __device__ void c(int o, int n, real sum) const {
        int sample = n / s.windows(), channel = group * s.co + o;
        y[(sample * s.groups * s.co + channel) * s.windows() + n % s.windows()] = bias ? sum + bias[channel] : sum;
    }
};

// dx[c, (b, pixel)] = sum over (o, tap) of w[o, (c, tap)] dy[b, o, window], where the tap lies on the pixel: a transposed convolution.
struct ConvBack {
    static const bool B_ALONG_K = false;
    Conv s;
    const real *dy, *weight, *bias;
    real *dx;
    int add, group, m, n, k;

    __device__ ConvBack(const Conv &s, const real *dy, const real *weight, const real *bias, real *dx, int add, int group)
        : s(s), dy(dy), weight(weight), bias(bias), dx(dx), add(add), group(group), m(s.ci), n(s.samples * s.pixels()), k(s.co * s.taps()) {}

    __device__ real a(int c, int k) const {
        int o = k / s.taps(), tap = k % s.taps();
        return weight[((group * s.co + o) * s.ci + c) * s.taps() + tap];
    }
    __device__ real b(int k, int n) const {
        int o = k / s.taps(), tap = k % s.taps(), sample = n / s.pixels(), pixel = n % s.pixels();
        int row = pixel / s.w + s.ph - tap / s.kw * s.dh, column = pixel % s.w + s.pw - tap % s.kw * s.dw;
        if (row < 0 || row % s.sh || row / s.sh >= s.oh || column < 0 || column % s.sw || column / s.sw >= s.ow) return 0;
        return dy[((sample * s.groups + group) * s.co + o) * s.windows() + row / s.sh * s.ow + column / s.sw];
    }
    __device__ void c(int c, int n, real sum) const {
        int sample = n / s.pixels(), channel = group * s.ci + c;
        real number = bias ? sum + bias[channel] : sum;
        put(dx + (sample * s.groups * s.ci + channel) * s.pixels() + n % s.pixels(), number, add);
    }
};

// dw[o, (c, tap)] = sum over (b, window) of dy[b, o, window] x[b, c, pixel], in slots of K that are added up later.
struct ConvWeight {
    static const bool B_ALONG_K = true;
    Conv s;
    const real *x, *dy;
    real *to;
    int group, m, n, k;

    __device__ ConvWeight(const Conv &s, const real *x, const real *dy, real *to, int group)
        : s(s), x(x), dy(dy), to(to), group(group), m(s.co), n(s.ci * s.taps()), k(s.samples * s.windows()) {}

    __device__ real a(int o, int k) const {
        int sample = k / s.windows(), window = k % s.windows();
        return dy[((sample * s.groups + group) * s.co + o) * s.windows() + window];
    }
    __device__ real b(int k, int n) const {
        int sample = k / s.windows(), window = k % s.windows(), channel = n / s.taps(), tap = n % s.taps();
        int row = window / s.ow * s.sh + tap / s.kw * s.dh - s.ph, column = window % s.ow * s.sw + tap % s.kw * s.dw - s.pw;
        if (row < 0 || row >= s.h || column < 0 || column >= s.w) return 0;
        return x[((sample * s.groups + group) * s.ci + channel) * s.pixels() + row * s.w + column];
    }
    __device__ void c(int o, int n, real sum) const { to[(group * s.co + o) * this->n + n] = sum; }
};

template <int TM, int TN> __device__ void conv_forward(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    Conv s = *(const Conv *)sizes;
    Place at(blockIdx.x, tiles(s.co, TM), tiles(s.samples * s.windows(), TN), 1);
    ConvForward op(s, x, weight, bias, y, at.group);
    tile<TM, TN>(op, at.m * TM, at.n * TN, 0, op.k);
}

template <int TM, int TN> __device__ void conv_back(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    Conv s = *(const Conv *)sizes;
    Place at(blockIdx.x, tiles(s.ci, TM), tiles(s.samples * s.pixels(), TN), 1);
    ConvBack op(s, dy, weight, bias, dx, add, at.group);
    tile<TM, TN>(op, at.m * TM, at.n * TN, 0, op.k);
}

// Few channels, and many.
extern "C" __global__ void conv_few(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    conv_forward<16, 128>(sizes, x, weight, bias, y);
}
extern "C" __global__ void conv_many(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    conv_forward<64, 64>(sizes, x, weight, bias, y);
}
extern "C" __global__ void conv_back_few(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    conv_back<16, 128>(sizes, dy, weight, bias, dx, add);
}
extern "C" __global__ void conv_back_many(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    conv_back<64, 64>(sizes, dy, weight, bias, dx, add);
}

// Slot number i lies i times all weights behind the first one.
extern "C" __global__ void conv_weight(const int *sizes, const real *x, const real *dy, real *to, int slots) {
    Conv s = *(const Conv *)sizes;
    Place at(blockIdx.x, tiles(s.co, 32), tiles(s.ci * s.taps(), 32), slots);
    ConvWeight op(s, x, dy, to + at.slot * s.groups * s.co * s.ci * s.taps(), at.group);
    int begin = slot_begin(at.slot, slots, op.k), end = slot_begin(at.slot + 1, slots, op.k);
    tile<32, 32>(op, at.m * 32, at.n * 32, begin, end);
}
