// Sums over the columns of a row. One block of THREADS for each row.

// total[i] = sum of a[i, j] b[i, j] over j, for matrices whose rows lie a_apart and b_apart elements apart.
extern "C" __global__ void row_products(real* total, const real* a, long long a_apart, const real* b,
                                        long long b_apart, int columns) {
    const real* x = a + (long long)blockIdx.x * a_apart;
    const real* y = b + (long long)blockIdx.x * b_apart;
    double sum = 0;
    for (int j = threadIdx.x; j < columns; j += THREADS) sum += (double)x[j] * y[j];
    sum = block_sum(sum);
    if (threadIdx.x == 0) total[blockIdx.x] = sum;
}
