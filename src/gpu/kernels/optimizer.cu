// Optimizers, as `learn` has them: p is moved against g, with the lists in k, n numbers each, and the coefficients c.

extern "C" __global__ void sgd(int n, real *p, const real *g, real *, const real *c) {
    EACH(i, n);
    real rate = c[0], decay = c[1];
    p[i] -= rate * (g[i] + decay * p[i]);
}

extern "C" __global__ void momentum(int n, real *p, const real *g, real *k, const real *c) {
    EACH(i, n);
    real rate = c[0], decay = c[1], momentum = c[2], fresh = c[3], nesterov = c[4];
    real d = g[i] + decay * p[i], b = momentum * k[i] + fresh * d;
    k[i] = b;
    p[i] -= rate * (nesterov != 0 ? d + momentum * b : b);
}

extern "C" __global__ void adagrad(int n, real *p, const real *g, real *k, const real *c) {
    EACH(i, n);
    real rate = c[0], epsilon = c[1], decay = c[2];
    real d = g[i] + decay * p[i], s = k[i] + d * d;
    k[i] = s;
    p[i] -= rate * d / (sqrt(s) + epsilon);
}

extern "C" __global__ void rms_prop(int n, real *p, const real *g, real *k, const real *c) {
    EACH(i, n);
    real rate = c[0], alpha = c[1], fresh = c[2], fresh_mean = c[3], epsilon = c[4], momentum = c[5], decay = c[6];
    real d = g[i] + decay * p[i], v = alpha * k[i] + fresh * d * d, a = alpha * k[n + i] + fresh_mean * d;
    real variance = v - a * a > 0 ? v - a * a : real(0), b = momentum * k[2 * n + i] + d / (sqrt(variance) + epsilon);
    k[i] = v;
    k[n + i] = a;
    k[2 * n + i] = b;
    p[i] -= rate * b;
}

extern "C" __global__ void adam(int n, real *p, const real *g, real *k, const real *c) {
    EACH(i, n);
    real rate = c[0], root = c[1], epsilon = c[6], decay = c[7], keep_parameter = c[8];
    real d = g[i] + decay * p[i], m = c[2] * k[i] + c[4] * d, v = c[3] * k[n + i] + c[5] * d * d;
    k[i] = m;
    k[n + i] = v;
    p[i] = keep_parameter * p[i] - rate * m / (sqrt(v) / root + epsilon);
}
