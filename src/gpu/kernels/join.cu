// Values put together, and parts of values.

// Runs of `run` numbers, one for each sample, from rows of `from_width` numbers to rows of `to_width`.
extern "C" __global__ void copy_runs(int n, const real *from, real *to, int run, int from_width, int to_width, int add) {
    EACH(i, n);
    int sample = i / run, at = i % run;
    put(to + sample * to_width + at, from[sample * from_width + at], add);
}

extern "C" __global__ void add(int n, const real *a, const real *b, real *y) {
    EACH(i, n);
    y[i] = a[i] + b[i];
}

// Whether a place of a sequence is there and not padding.
__device__ bool is_kept(const real *padding, int place) { return !padding || padding[place] == 0; }

// How many places of a sequence are kept, and which is the last of them; their number where there is none.
__device__ int kept(const real *padding, int places, int *last) {
    int count = 0;
    *last = places;
    for (int t = 0; t < places; t++) {
        if (is_kept(padding, t)) {
            count++;
            *last = t;
        }
    }
    return count;
}

// The mean of a sequence's places, or its last one: [B, T, D] -> [B, D], a thread for each number that comes out.
extern "C" __global__ void sequence_pool(int n, const real *x, const real *padding, real *y, int places, int width, int is_last) {
    EACH(i, n);
    int sample = i / width, last;
    const real *own = padding ? padding + sample * places : nullptr;
    int count = kept(own, places, &last);
    real sum = 0;
    for (int t = 0; t < places; t++) {
        if (is_last ? t == last : is_kept(own, t)) sum += x[(sample * places + t) * width + i % width];
    }
    y[i] = is_last || count == 0 ? sum : sum / count;
}

extern "C" __global__ void sequence_pool_back(int n, const real *dy, const real *padding, real *dx, int add, int places, int width, int is_last) {
    EACH(i, n);
    int sample = i / (places * width), t = i / width % places, last;
    const real *own = padding ? padding + sample * places : nullptr;
    int count = kept(own, places, &last);
    real d = dy[sample * width + i % width];
    if (is_last) d = t == last ? d : 0;
    else d = is_kept(own, t) ? d / count : 0;
    put(dx + i, d, add);
}
