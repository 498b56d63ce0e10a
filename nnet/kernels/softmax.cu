// Log-softmax of rows, forwards and backwards, and the linear objective with sparse labels. One block of
// THREADS for each row.

// y = x - log(sum of exp x) of a row.
extern "C" __global__ void log_softmax(real* y, const real* x, int columns) {
    const real* row = x + (long long)blockIdx.x * columns;
    real highest = row[0];
    for (int j = threadIdx.x; j < columns; j += THREADS) highest = row[j] > highest ? row[j] : highest;
    highest = block_max(highest);
    double sum = 0;
    for (int j = threadIdx.x; j < columns; j += THREADS) sum += exp(row[j] - highest);
    real shift = highest + (real)log(block_sum(sum));
    for (int j = threadIdx.x; j < columns; j += THREADS) y[(long long)blockIdx.x * columns + j] = row[j] - shift;
}

// dx = dy - exp(y) sum(dy) of a row.
extern "C" __global__ void log_softmax_back(real* dx, const real* dy, const real* y, int columns) {
    long long start = (long long)blockIdx.x * columns;
    double sum = 0;
    for (int j = threadIdx.x; j < columns; j += THREADS) sum += dy[start + j];
    real total = block_sum(sum);
    for (int j = threadIdx.x; j < columns; j += THREADS)
        dx[start + j] = dy[start + j] - (real)exp(y[start + j]) * total;
}

// total = sum of weight[k] y[at[k]] and, if wanted, derivative[at[k]] = weight[k]. One block: the order of the
// sum is fixed.
extern "C" __global__ void labelled(double* total, real* derivative, const real* y, const long long* at,
                                    const real* weight, int labels, int wanted) {
    double sum = 0;
    for (int k = threadIdx.x; k < labels; k += THREADS) {
        sum += (double)y[at[k]] * weight[k];
        if (wanted) derivative[at[k]] = weight[k];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) total[0] = sum;
}
