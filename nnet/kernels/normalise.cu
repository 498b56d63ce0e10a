// Sums over rows and what batch normalisation makes of them. Matrices are row-major; sums are made in two
// stages, of chunks of rows and then of the chunks, in an order that does not depend on the device.

#define WIDE 32  // columns of a block
#define HIGH 8   // rows that a block takes at once

// Sums of two values of each thread of a block (WIDE, HIGH) over the rows of the block, into a chunk's part of
// column j: part[chunk, 0, j] and part[chunk, 1, j].
__device__ void block_columns(double* part, double first, double second, int columns, int j) {
    __shared__ double sums[2][HIGH][WIDE];
    sums[0][threadIdx.y][threadIdx.x] = first;
    sums[1][threadIdx.y][threadIdx.x] = second;
    __syncthreads();
    if (threadIdx.y < 2 && j < columns) {
        double total = 0;
        for (int k = 0; k < HIGH; k++) total += sums[threadIdx.y][k][threadIdx.x];
        part[((long long)blockIdx.y * 2 + threadIdx.y) * columns + j] = total;
    }
}

// part[chunk, 0, j] = sum of a[i, j], part[chunk, 1, j] = sum of a[i, j] b[i, j] over the rows of a chunk.
// Grid (ceil(columns / WIDE), chunks), block (WIDE, HIGH).
extern "C" __global__ void partial_sums(double* part, const real* a, const real* b, int rows, int columns,
                                        int chunk) {
    int j = blockIdx.x * WIDE + threadIdx.x;
    int first = blockIdx.y * chunk, last = first + chunk < rows ? first + chunk : rows;
    double sum = 0, product = 0;
    for (int i = first + threadIdx.y; i < last && j < columns; i += HIGH) {
        real x = a[(long long)i * columns + j];
        sum += x;
        product += (double)x * b[(long long)i * columns + j];
    }
    block_columns(part, sum, product, columns, j);
}

// x = max(x + bias, 0) in place, and the sums of the result and of its squares as `partial_sums` gives them.
extern "C" __global__ void bias_relu_sums(double* part, real* x, const real* bias, int rows, int columns,
                                          int chunk) {
    int j = blockIdx.x * WIDE + threadIdx.x;
    int first = blockIdx.y * chunk, last = first + chunk < rows ? first + chunk : rows;
    double sum = 0, product = 0;
    for (int i = first + threadIdx.y; i < last && j < columns; i += HIGH) {
        real y = x[(long long)i * columns + j] + bias[j];
        y = y > 0 || y != y ? y : 0;
        x[(long long)i * columns + j] = y;
        sum += y;
        product += (double)y * y;
    }
    block_columns(part, sum, product, columns, j);
}

__device__ double folded(const double* part, int chunks, int which, int columns, int j) {
    double total = 0;
    for (int k = 0; k < chunks; k++) total += part[((long long)k * 2 + which) * columns + j];
    return total;
}

// moments = mean, mean square and scale, (3, columns), from partial sums. One thread for each column.
extern "C" __global__ void moments(real* moments, const double* part, int chunks, int rows, double epsilon,
                                   double target_rms, long long columns) {
    long long j = ELEMENT;
    if (j >= columns) return;
    double mean = folded(part, chunks, 0, columns, j) / rows, square = folded(part, chunks, 1, columns, j) / rows;
    double variance = square - mean * mean;
    variance = variance < 0 ? 0 : variance;
    moments[j] = mean;
    moments[columns + j] = square;
    moments[2 * columns + j] = target_rms / sqrt(variance + epsilon);
}

// y = (x - mean) scale.
extern "C" __global__ void standardise(real* y, const real* x, const real* moments, int columns,
                                       long long size) {
    long long i = ELEMENT;
    if (i >= size) return;
    int j = i % columns;
    y[i] = (x[i] - moments[j]) * moments[2 * columns + j];
}

// means of dy and of dy y over the rows, (2, columns), from partial sums. One thread for each column.
extern "C" __global__ void means(real* means, const double* part, int chunks, int rows, long long columns) {
    long long j = ELEMENT;
    if (j >= columns) return;
    means[j] = folded(part, chunks, 0, columns, j) / rows;
    means[columns + j] = folded(part, chunks, 1, columns, j) / rows;
}

// dx = scale (dy - mean(dy) - y mean(y dy) / target_rms^2).
extern "C" __global__ void standardise_back(real* dx, const real* dy, const real* y, const real* means,
                                            const real* scale, real target_rms, int columns, long long size) {
    long long i = ELEMENT;
    if (i >= size) return;
    int j = i % columns;
    dx[i] = scale[j] * (dy[i] - means[j] - y[i] * means[columns + j] / (target_rms * target_rms));
}
