// Cells that step along a sequence. Products make the gates' sums: x of the inputs and r of the state before, for each step [B, T, G H].
// What a step begins with is kept, [B, T, H] for each state, and so is what its way back is made of, [B, T, K H].

struct RnnCell {
    static const int G = 1, S = 1, K = 1;

    __device__ static void forward(const real *x, const real *r, const real *, real *after, real *kept) {
        after[0] = kept[0] = tanh(x[0] + r[0]);
    }
    __device__ static void backward(const real *kept, const real *, const real *d, real *dx, real *dr, real *before) {
        dx[0] = dr[0] = d[0] * (1 - kept[0] * kept[0]);
        before[0] = 0;
    }
};

struct LstmCell {
    static const int G = 4, S = 2, K = 5;

    __device__ static void forward(const real *x, const real *r, const real *before, real *after, real *kept) {
        real i = sigmoid(x[0] + r[0]), f = sigmoid(x[1] + r[1]), g = tanh(x[2] + r[2]), o = sigmoid(x[3] + r[3]);
        after[1] = f * before[1] + i * g;
        real t = tanh(after[1]);
        after[0] = o * t;
        kept[0] = i;
        kept[1] = f;
        kept[2] = g;
        kept[3] = o;
        kept[4] = t;
    }
    __device__ static void backward(const real *kept, const real *states, const real *d, real *dx, real *dr, real *before) {
        real i = kept[0], f = kept[1], g = kept[2], o = kept[3], t = kept[4];
        real dc = d[1] + d[0] * o * (1 - t * t);
        dx[0] = dc * g * i * (1 - i);
        dx[1] = dc * states[1] * f * (1 - f);
        dx[2] = dc * i * (1 - g * g);
        dx[3] = d[0] * t * o * (1 - o);
        for (int gate = 0; gate < G; gate++) dr[gate] = dx[gate];
        before[0] = 0;
        before[1] = dc * f;
    }
};

struct GruCell {
    static const int G = 3, S = 1, K = 4;

    __device__ static void forward(const real *x, const real *h, const real *before, real *after, real *kept) {
        real r = sigmoid(x[0] + h[0]), z = sigmoid(x[1] + h[1]), n = tanh(x[2] + r * h[2]);
        after[0] = n + z * (before[0] - n);
        kept[0] = r;
        kept[1] = z;
        kept[2] = n;
        kept[3] = h[2];
    }
    __device__ static void backward(const real *kept, const real *states, const real *d, real *dx, real *dr, real *before) {
        real r = kept[0], z = kept[1], n = kept[2];
        real dn = d[0] * (1 - z) * (1 - n * n);
        dx[0] = dr[0] = dn * kept[3] * r * (1 - r);
        dx[1] = dr[1] = d[0] * (states[0] - n) * z * (1 - z);
        dx[2] = dn;
        dr[2] = dn * r;
        before[0] = d[0] * z;
    }
};

// Step t. The states h and c begin with are at their places of that step; those that it makes go to `h_next` and `c_next`, whose rows are
// `next_width` numbers apart. A sample whose place is padding stands still, and its output is zero. Outputs are `y_width` apart.
template <class Cell>
__device__ void advance(int n, const real *x, const real *r, const real *h, const real *c, const real *padding, real *kept, real *h_next, real *c_next, real *y, int hidden, int steps, int t, int next_width, int y_width) {
    EACH(i, n);
    int sample = i / hidden, unit = i % hidden, place = sample * steps + t;
    real gates[Cell::G], sums[Cell::G], before[2], after[2], keep[Cell::K];
    for (int gate = 0; gate < Cell::G; gate++) {
        gates[gate] = x[(place * Cell::G + gate) * hidden + unit];
        sums[gate] = r[(place * Cell::G + gate) * hidden + unit];
    }
    before[0] = h[place * hidden + unit];
    before[1] = Cell::S > 1 ? c[place * hidden + unit] : real(0);
    Cell::forward(gates, sums, before, after, keep);
    for (int k = 0; k < Cell::K; k++) kept[(place * Cell::K + k) * hidden + unit] = keep[k];
    bool stands = padding && padding[place] != 0;
    h_next[sample * next_width + unit] = stands ? before[0] : after[0];
    if (Cell::S > 1) c_next[sample * next_width + unit] = stands ? before[1] : after[1];
    if (y) y[place * y_width + unit] = stands ? real(0) : after[0];
}

// The way back of a step: from the gradients of its states, which are replaced by those of the states before, but for what goes through r.
template <class Cell>
__device__ void retreat(int n, const real *kept, const real *h, const real *c, const real *padding, const real *dy, real *dh, real *dc, real *dx, real *dr, int hidden, int steps, int t, int y_width) {
    EACH(i, n);
    int sample = i / hidden, unit = i % hidden, place = sample * steps + t;
    bool stands = padding && padding[place] != 0;
    real keep[Cell::K], states[2], d[2], gates[Cell::G], sums[Cell::G], before[2];
    for (int k = 0; k < Cell::K; k++) keep[k] = kept[(place * Cell::K + k) * hidden + unit];
    states[0] = h[place * hidden + unit];
    states[1] = Cell::S > 1 ? c[place * hidden + unit] : real(0);
    d[0] = dh[i] + (dy && !stands ? dy[place * y_width + unit] : real(0));
    d[1] = Cell::S > 1 ? dc[i] : real(0);
    Cell::backward(keep, states, d, gates, sums, before);
    for (int gate = 0; gate < Cell::G; gate++) {
        dx[(place * Cell::G + gate) * hidden + unit] = stands ? real(0) : gates[gate];
        dr[(place * Cell::G + gate) * hidden + unit] = stands ? real(0) : sums[gate];
    }
    if (stands) return;
    dh[i] = before[0];
    if (Cell::S > 1) dc[i] = before[1];
}

extern "C" __global__ void rnn_advance(int n, const real *x, const real *r, const real *h, const real *c, const real *padding, real *kept, real *h_next, real *c_next, real *y, int hidden, int steps, int t, int next_width, int y_width) {
    advance<RnnCell>(n, x, r, h, c, padding, kept, h_next, c_next, y, hidden, steps, t, next_width, y_width);
}
extern "C" __global__ void lstm_advance(int n, const real *x, const real *r, const real *h, const real *c, const real *padding, real *kept, real *h_next, real *c_next, real *y, int hidden, int steps, int t, int next_width, int y_width) {
    advance<LstmCell>(n, x, r, h, c, padding, kept, h_next, c_next, y, hidden, steps, t, next_width, y_width);
}
extern "C" __global__ void gru_advance(int n, const real *x, const real *r, const real *h, const real *c, const real *padding, real *kept, real *h_next, real *c_next, real *y, int hidden, int steps, int t, int next_width, int y_width) {
    advance<GruCell>(n, x, r, h, c, padding, kept, h_next, c_next, y, hidden, steps, t, next_width, y_width);
}
extern "C" __global__ void rnn_retreat(int n, const real *kept, const real *h, const real *c, const real *padding, const real *dy, real *dh, real *dc, real *dx, real *dr, int hidden, int steps, int t, int y_width) {
    retreat<RnnCell>(n, kept, h, c, padding, dy, dh, dc, dx, dr, hidden, steps, t, y_width);
}
extern "C" __global__ void lstm_retreat(int n, const real *kept, const real *h, const real *c, const real *padding, const real *dy, real *dh, real *dc, real *dx, real *dr, int hidden, int steps, int t, int y_width) {
    retreat<LstmCell>(n, kept, h, c, padding, dy, dh, dc, dx, dr, hidden, steps, t, y_width);
}
extern "C" __global__ void gru_retreat(int n, const real *kept, const real *h, const real *c, const real *padding, const real *dy, real *dh, real *dc, real *dx, real *dr, int hidden, int steps, int t, int y_width) {
    retreat<GruCell>(n, kept, h, c, padding, dy, dh, dc, dx, dr, hidden, steps, t, y_width);
}
