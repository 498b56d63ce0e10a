// Log-softmax of rows, forwards and backwards, and cross-entropy with sparse labels. One block of THREADS for
// each row.

// log(sum of exp x) of a row; all threads get it.
__device__ real block_log_sum(const real* row, int columns) {
    real highest = row[0];
    for (int j = threadIdx.x; j < columns; j += THREADS) highest = row[j] > highest ? row[j] : highest;
    highest = block_max(highest);
    double sum = 0;
    for (int j = threadIdx.x; j < columns; j += THREADS) sum += exp(row[j] - highest);
    return highest + (real)log(block_sum(sum));
}

// How many of the rising places lie before `end`.
__device__ int places_before(long long end, const long long* at, int labels) {
    int low = 0, high = labels;
    while (low < high) {
        int middle = (low + high) / 2;
        if (at[middle] < end) low = middle + 1;
        else high = middle;
    }
    return low;
}

// y = x - log(sum of exp x) of a row.
extern "C" __global__ void log_softmax(real* y, const real* x, int columns) {
    const real* row = x + (long long)blockIdx.x * columns;
    real shift = block_log_sum(row, columns);
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

// Of y = log-softmax of a row of x, and its labels weight[k] at the places at[k], of rising rows: total[row] is
// the sum of weight y, and dx = dy - exp(y) sum(dy), where dy is the weights.
extern "C" __global__ void cross_entropy(double* total, real* dx, const real* x, const long long* at,
                                         const real* weight, int labels, int columns) {
    long long start = (long long)blockIdx.x * columns;
    real shift = block_log_sum(x + start, columns);
    int first = places_before(start, at, labels), end = places_before(start + columns, at, labels);
    double sum = 0, weights = 0;
    for (int k = first; k < end; k++) {  // few, and the same ones for all threads
        sum += (double)(x[at[k]] - shift) * weight[k];
        weights += weight[k];
    }
    if (threadIdx.x == 0) total[blockIdx.x] = sum;
    real whole = weights;
    for (long long j = start + threadIdx.x; j < start + columns; j += THREADS)
        dx[j] = 0 - (real)exp(x[j] - shift) * whole;
    __syncthreads();
    for (int k = first + threadIdx.x; k < end; k += THREADS)
        dx[at[k]] = weight[k] - (real)exp(x[at[k]] - shift) * whole;
}

// total[j] = sum of the squares of the weights of labels in column j. One block of THREADS for each column.
extern "C" __global__ void label_squares(double* total, const long long* column, const real* weight, int labels) {
    double sum = 0;
    for (int k = threadIdx.x; k < labels; k += THREADS)
        if (column[k] == blockIdx.x) sum += (double)weight[k] * weight[k];
    sum = block_sum(sum);
    if (threadIdx.x == 0) total[blockIdx.x] = sum;
}
