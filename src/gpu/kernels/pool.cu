// The largest number of each window of an image: lists of pixels for the way there, and of windows for the way back.

// The first of the largest is remembered, and so is a number that is none.
extern "C" __global__ void max_pool(int n, const real *x, real *y, real *first, int pixels, int windows, const int *begins, const int *index) {
    EACH(i, n);
    const real *image = x + i / windows * pixels;
    int begin = begins[i % windows], best = index[begin];
    for (int j = begin + 1; j < begins[i % windows + 1]; j++) {
        if (image[index[j]] > image[best] || (image[index[j]] != image[index[j]] && image[best] == image[best])) best = index[j];
    }
    y[i] = image[best];
    first[i] = best;
}

extern "C" __global__ void max_pool_back(int n, const real *dy, const real *first, real *dx, int add, int pixels, int windows, const int *begins, const int *index) {
    EACH(i, n);
    int pixel = i % pixels, image = i / pixels * windows;
    real sum = 0;
    for (int j = begins[pixel]; j < begins[pixel + 1]; j++) {
        if (int(first[image + index[j]]) == pixel) sum += dy[image + index[j]];
    }
    put(dx + i, sum, add);
}
