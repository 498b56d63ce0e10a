// The denominator of LF-MMI: one launch for a frame, in either direction, for all sequences and states. Arrays of
// a frame are (states, sequences) or (pdfs, sequences); a block takes WIDE sequences of CHUNK states or pdfs.
// Sums over all states come as sums of chunks, which the launch after adds up in their order.

#define WIDE 32
#define HIGH 8    // threads that share a sequence
#define CHUNK 16

// The sum of the values that the threads of one sequence have.
__device__ double block_column_sum(double value) {
    __shared__ double held[HIGH][WIDE];
    __syncthreads();
    held[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    double sum = 0;
    for (int k = 0; k < HIGH; k++) sum += held[k][threadIdx.x];
    return sum;
}

// The sum over chunks of part (chunks, sequences) for sequence n.
__device__ double block_total(const double* part, int chunks, int sequences, int n) {
    double sum = 0;
    if (n < sequences)
        for (int c = threadIdx.y; c < chunks; c += HIGH) sum += part[(long long)c * sequences + n];
    return block_column_sum(sum);
}

// next[s] = sum over arcs into s of probability likelihood[pdf] (now[source] + leaky initial[source] scale) / scale
// with scale the sum of now over states, which goes to `scales`.
extern "C" __global__ void forward(real* next, double* next_part, real* scales, const real* now, const double* part,
                                   const real* likelihood, const real* initial, const int* first,
                                   const int* source, const int* pdf, const real* probability, real leaky,
                                   int states, int sequences) {
    int n = blockIdx.x * WIDE + threadIdx.x;
    real scale = (real)block_total(part, gridDim.y, sequences, n);
    if (blockIdx.y == 0 && threadIdx.y == 0 && n < sequences) scales[n] = scale;
    double sum = 0;
    for (int k = threadIdx.y; k < CHUNK; k += HIGH) {
        int s = blockIdx.y * CHUNK + k;
        if (n >= sequences || s >= states) continue;
        real value = 0;
        for (int a = first[s]; a < first[s + 1]; a++) {
            real before = now[(long long)source[a] * sequences + n] + leaky * initial[source[a]] * scale;
            value += probability[a] * likelihood[(long long)pdf[a] * sequences + n] * before;
        }
        value /= scale;
        next[(long long)s * sequences + n] = value;
        sum += value;
    }
    sum = block_column_sum(sum);
    if (threadIdx.y == 0 && n < sequences) next_part[(long long)blockIdx.y * sequences + n] = sum;
}

// The frame before of beta, and the posteriors of the frame. With ahead[s] = next[s] + leaky (initial' next):
// before[s] = sum over arcs out of s of probability likelihood[pdf] ahead[target] / scale, part of initial' before
// in before_part; posterior[n, d] = likelihood[d] / scale times the sum over arcs with pdf d of
// probability (now[source] + leaky initial[source] scale) ahead[target]. The first `chunks` rows of blocks take
// states, the others pdfs.
extern "C" __global__ void backward(real* before, double* before_part, real* posterior, const real* next,
                                    const double* part, const real* now, const real* scales,
                                    const real* likelihood, const real* initial, const int* first,
                                    const int* target, const int* pdf, const real* probability,
                                    const int* pdf_first, const int* pdf_source, const int* pdf_target,
                                    const real* pdf_probability, real leaky, int chunks, int states, int pdfs,
                                    int sequences) {
    int n = blockIdx.x * WIDE + threadIdx.x;
    bool inside = n < sequences;
    real leak = leaky * (real)block_total(part, chunks, sequences, n), scale = inside ? scales[n] : 1;
    if (blockIdx.y >= chunks) {
        for (int k = threadIdx.y; k < CHUNK; k += HIGH) {
            int d = (blockIdx.y - chunks) * CHUNK + k;
            if (!inside || d >= pdfs) continue;
            real sum = 0;
            for (int a = pdf_first[d]; a < pdf_first[d + 1]; a++) {
                int s = pdf_source[a];
                real entering = now[(long long)s * sequences + n] + leaky * initial[s] * scale;
                sum += pdf_probability[a] * entering * (next[(long long)pdf_target[a] * sequences + n] + leak);
            }
            posterior[(long long)n * pdfs + d] = likelihood[(long long)d * sequences + n] * sum / scale;
        }
        return;
    }
    double total = 0;
    for (int k = threadIdx.y; k < CHUNK; k += HIGH) {
        int s = blockIdx.y * CHUNK + k;
        if (!inside || s >= states) continue;
        real value = 0;
        for (int a = first[s]; a < first[s + 1]; a++)
            value += probability[a] * likelihood[(long long)pdf[a] * sequences + n]
                     * (next[(long long)target[a] * sequences + n] + leak);
        value /= scale;
        before[(long long)s * sequences + n] = value;
        total += (double)initial[s] * value;
    }
    total = block_column_sum(total);
    if (threadIdx.y == 0 && inside) before_part[(long long)blockIdx.y * sequences + n] = total;
}
