// Rows of a (T, N, D) view copied or added to another view of that shape, each with strides of its own.

// y = scale x, or y += scale x where `add`; the last index is the fastest. Strides count elements.
extern "C" __global__ void move(real* y, long long y_t, long long y_n, long long y_d, const real* x,
                                long long x_t, long long x_n, long long x_d, int sequences, int columns,
                                real scale, int add, long long size) {
    long long i = ELEMENT;
    if (i >= size) return;
    int d = i % columns;
    long long row = i / columns;
    int n = row % sequences;
    long long t = row / sequences;
    real value = scale * x[t * x_t + n * x_n + d * x_d];
    real* out = y + (t * y_t + n * y_n + d * y_d);
    *out = add ? *out + value : value;
}

// y[r] += scale * sum of x[order[k]] for k from first[r] to first[r + 1]: rows that several add to, each
// summed by one thread in the order given. One thread for each element of y's `rows` rows.
extern "C" __global__ void add_sorted(real* y, long long y_t, long long y_n, long long y_d, const real* x,
                                      long long x_t, long long x_n, long long x_d, const int* order,
                                      const int* first, int sequences, int columns, real scale,
                                      long long size) {
    long long i = ELEMENT;
    if (i >= size) return;
    int d = i % columns;
    long long row = i / columns;
    int n = row % sequences;
    long long t = row / sequences;
    real total = 0;
    for (int k = first[t]; k < first[t + 1]; k++) total += scale * x[order[k] * x_t + n * x_n + d * x_d];
    y[t * y_t + n * y_n + d * y_d] += total;
}
