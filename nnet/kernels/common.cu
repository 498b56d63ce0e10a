// What all kernels share. `real` is float or double, by a macro; no headers, so that NVRTC needs no toolkit.

#define THREADS 256

// The element of this thread in a one-dimensional grid.
#define ELEMENT ((long long)blockIdx.x * blockDim.x + threadIdx.x)

// The sum of one value of each thread of a block of THREADS, always in the same order; all threads get it.
__device__ double block_sum(double value) {
    __shared__ double held[THREADS];
    __syncthreads();  // what an earlier call left has been read
    held[threadIdx.x] = value;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) held[threadIdx.x] += held[threadIdx.x + half];
    }
    __syncthreads();
    return held[0];
}

// The largest of one value of each thread of a block of THREADS; all threads get it.
__device__ real block_max(real value) {
    __shared__ real held[THREADS];
    __syncthreads();
    held[threadIdx.x] = value;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half && held[threadIdx.x + half] > held[threadIdx.x])
            held[threadIdx.x] = held[threadIdx.x + half];
    }
    __syncthreads();
    return held[0];
}
