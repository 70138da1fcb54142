// Numbers that are sums of a few others: shuffles, borders, pools, interpolation. In each block of `width` numbers of x number i of the
// `rows` of y is the sum of those in list i, which ends where list i + 1 begins. Without weights all count one.
extern "C" __global__ void sparse(int n, const real *x, real *y, int add, int width, int rows, const int *begins, const int *index, const real *weights) {
    EACH(i, n);
    const real *block = x + i / rows * width;
    real sum = 0;
    for (int j = begins[i % rows]; j < begins[i % rows + 1]; j++) sum += weights ? weights[j] * block[index[j]] : block[index[j]];
    put(y + i, sum, add);
}
