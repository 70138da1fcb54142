// Layers that work on each number by itself: y = f(x), and dx = f'(x) dy. Some have a coefficient, `a`.

struct Relu {
    __device__ static real value(real x, real) { return x > 0 || x != x ? x : 0; }
    __device__ static real slope(real x, real, real) { return x > 0 ? 1 : 0; }
};

struct LeakyRelu {
    __device__ static real value(real x, real a) { return x > 0 ? x : a * x; }
    __device__ static real slope(real x, real, real a) { return x > 0 ? 1 : a; }
};

__device__ real sigmoid(real x) { return 1 / (1 + exp(-x)); }

struct Sigmoid {
    __device__ static real value(real x, real) { return sigmoid(x); }
    __device__ static real slope(real, real y, real) { return y * (1 - y); }
};

struct Tanh {
    __device__ static real value(real x, real) { return tanh(x); }
    __device__ static real slope(real, real y, real) { return 1 - y * y; }
};

struct Silu {
    __device__ static real value(real x, real) { return x * sigmoid(x); }
    __device__ static real slope(real x, real y, real) {
        real gate = sigmoid(x);
        return gate + y * (1 - gate);
    }
};

// `x` times the normal distribution function; erfc keeps the digits of what is near zero.
struct Gelu {
    __device__ static real share(real x) { return real(0.5) * erfc(-x * real(0.70710678118654752440)); }
    __device__ static real value(real x, real) { return x * share(x); }
    __device__ static real slope(real x, real, real) { return share(x) + x * real(0.39894228040143267794) * exp(real(-0.5) * x * x); }
};

struct GeluTanh {
    // Beyond 10 the tangent is 1 to the last bit, and cubes do not overflow.
    __device__ static real near(real x) { return x > 10 ? real(10) : x < -10 ? real(-10) : x; }
    __device__ static real tangent(real x) { return tanh(real(0.79788456080286535588) * (x + real(0.044715) * x * x * x)); }
    __device__ static real value(real x, real) { return real(0.5) * x * (1 + tangent(near(x))); }
    __device__ static real slope(real x, real, real) {
        real c = near(x), t = tangent(c);
        real inner = real(0.79788456080286535588) * (1 + 3 * real(0.044715) * c * c);
        return real(0.5) * (1 + t) + real(0.5) * x * (1 - t * t) * inner;
    }
};

struct Scale {
    __device__ static real value(real x, real a) { return a * x; }
    __device__ static real slope(real, real, real a) { return a; }
};

template <class F> __device__ void map(int n, const real *x, real *y, real a) {
    EACH(i, n);
    y[i] = F::value(x[i], a);
}

template <class F> __device__ void map_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    EACH(i, n);
    put(dx + i, dy[i] * F::slope(x[i], y[i], a), add);
}

extern "C" __global__ void relu(int n, const real *x, real *y, real a) { map<Relu>(n, x, y, a); }
extern "C" __global__ void relu_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<Relu>(n, x, y, dy, dx, add, a);
}
extern "C" __global__ void leaky_relu(int n, const real *x, real *y, real a) { map<LeakyRelu>(n, x, y, a); }
extern "C" __global__ void leaky_relu_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<LeakyRelu>(n, x, y, dy, dx, add, a);
}
extern "C" __global__ void sigmoid_map(int n, const real *x, real *y, real a) { map<Sigmoid>(n, x, y, a); }
extern "C" __global__ void sigmoid_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<Sigmoid>(n, x, y, dy, dx, add, a);
}
extern "C" __global__ void tanh_map(int n, const real *x, real *y, real a) { map<Tanh>(n, x, y, a); }
extern "C" __global__ void tanh_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<Tanh>(n, x, y, dy, dx, add, a);
}
extern "C" __global__ void silu(int n, const real *x, real *y, real a) { map<Silu>(n, x, y, a); }
extern "C" __global__ void silu_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<Silu>(n, x, y, dy, dx, add, a);
}
extern "C" __global__ void gelu(int n, const real *x, real *y, real a) { map<Gelu>(n, x, y, a); }
extern "C" __global__ void gelu_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<Gelu>(n, x, y, dy, dx, add, a);
}
extern "C" __global__ void gelu_tanh(int n, const real *x, real *y, real a) { map<GeluTanh>(n, x, y, a); }
extern "C" __global__ void gelu_tanh_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<GeluTanh>(n, x, y, dy, dx, add, a);
}
extern "C" __global__ void scale(int n, const real *x, real *y, real a) { map<Scale>(n, x, y, a); }
extern "C" __global__ void scale_back(int n, const real *x, const real *y, const real *dy, real *dx, int add, real a) {
    map_back<Scale>(n, x, y, dy, dx, add, a);
}

// The random numbers of `noise.rs`: SplitMix64, its counter set to the index.
typedef unsigned long long Word;
#define GAMMA 0x9E3779B97F4A7C15ull

__device__ Word mix(Word x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

__device__ Word word(const int *halves) { return Word(unsigned(halves[0])) | Word(unsigned(halves[1])) << 32; }

// y = m x, where each m is 0, or `kept`. The step's words are the seed of its noise and the number of its first sample; the layer's
// are its stream, and the limit below which numbers are dropped. A sample has `numel` numbers.
extern "C" __global__ void dropout(int n, const real *x, real *y, int add, const int *step, const int *layer, int numel, real kept) {
    EACH(i, n);
    Word seed = mix(word(step) ^ mix(word(layer) + GAMMA)), index = word(step + 2) * Word(numel) + Word(i);
    Word bits = mix(seed + (index + 1) * GAMMA) >> 11;
    put(y + i, bits < word(layer + 2) ? real(0) : kept * x[i], add);
}
