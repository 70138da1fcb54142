// Tiles by tensor cores, for numbers of 32 bits: what they multiply they round to TF32, with 10 bits behind the point and not 23, and what
// they add they do not.

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800

// A card that has none.
template <int TM, int TN> struct Tf32 : Exact<TM, TN> {};

#else

#ifdef __CUDA_ARCH__
__device__ float tf32(float x) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits);
}

// c += a b by a warp, a [16, 8] and b [8, 8], spread over its lanes as PTX has it for m16n8k8.
__device__ void multiply_tensors(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])),
          "r"(__float_as_uint(b[1])));
}
#endif

// A warp has a part of a tile, of RM times 16 rows and RN times 8 columns.
template <int TM, int TN> struct Tf32 {
    static const int ROWS = TM, COLUMNS = TN, PAD = 8; // Its lanes read from 32 different banks.
    static const int WARPS_M = (TM + 31) / 32, WARPS_N = THREADS / WARP / WARPS_M, RM = TM / WARPS_M / 16, RN = TN / WARPS_N / 8;
    const int group = threadIdx.x % WARP / 4, member = threadIdx.x % 4;
    const int own_m = threadIdx.x / WARP / WARPS_N * RM * 16 + group, own_n = threadIdx.x / WARP % WARPS_N * RN * 8;
    float c[RM][RN][4];

    __device__ Tf32() {
        for (int i = 0; i < RM; i++) {
            for (int j = 0; j < RN; j++) c[i][j][0] = c[i][j][1] = c[i][j][2] = c[i][j][3] = 0;
        }
    }

    __device__ static float rounded(float x) { return tf32(x); }

    __device__ void multiply(const float (&a)[DEPTH][TM + PAD], const float (&b)[DEPTH][TN + PAD]) {
#pragma unroll
        for (int first = 0; first < DEPTH; first += 8) {
            int depth = first + member;
            float of_b[RN][2];
            for (int j = 0; j < RN; j++) {
                for (int k = 0; k < 2; k++) of_b[j][k] = b[depth + k * 4][own_n + j * 8 + group];
            }
            for (int i = 0; i < RM; i++) {
                float of_a[4];
                for (int k = 0; k < 4; k++) of_a[k] = a[depth + k / 2 * 4][own_m + i * 16 + k % 2 * 8];
                for (int j = 0; j < RN; j++) multiply_tensors(c[i][j], of_a, of_b[j]);
            }
        }
    }

    template <class Op> __device__ void store(const Op &op, int m0, int n0) const {
#pragma unroll
        for (int i = 0; i < RM * RN * 4; i++) {
            int j = i / 4 % RN, m = m0 + own_m + i / 4 / RN * 16 + i % 4 / 2 * 8, n = n0 + own_n + j * 8 + member * 2 + i % 2;
            if (m < op.m && n < op.n) op.c(m, n, c[i / 4 / RN][j][i % 4]);
        }
    }
};

#endif

extern "C" __launch_bounds__(THREADS) __global__ void conv_few_tf32(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    conv_forward<Tf32<16, 256>>(sizes, x, weight, bias, y);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_many_tf32(const int *sizes, const real *x, const real *weight, const real *bias, real *y) {
    conv_forward<Tf32<64, 128>>(sizes, x, weight, bias, y);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_back_few_tf32(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    conv_back<Tf32<16, 256>>(sizes, dy, weight, bias, dx, add);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_back_many_tf32(const int *sizes, const real *dy, const real *weight, const real *bias, real *dx, int add) {
    conv_back<Tf32<64, 128>>(sizes, dy, weight, bias, dx, add);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_weight_few_tf32(const int *sizes, const real *x, const real *dy, real *to, int slots) {
    conv_weight<Tf32<16, 64>>(sizes, x, dy, to, slots);
}
extern "C" __launch_bounds__(THREADS) __global__ void conv_weight_many_tf32(const int *sizes, const real *x, const real *dy, real *to, int slots) {
    conv_weight<Tf32<64, 128>>(sizes, x, dy, to, slots);
}
