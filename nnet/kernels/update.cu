// A minibatch's change of all parameters, which lie in one array, component after component in chunks of CHUNK.

#define CHUNK 8192

// The sum of squares of each chunk of d, L2 added to d before: d += (l2_scale l2[component]) w. The block that
// comes last decides, from the sums taken in the order of the chunks, what each component's change is scaled
// by: factors[c], all zero if the change or the objective (sound[0] == 0) is not finite. counts[c] grows where
// the limit of c acted, counts[components] where the overall one did; good[0] tells whether all was finite.
extern "C" __global__ void limits(real* d, const real* w, const int* owner, const int* first, const double* l2,
                                  const double* max_change, double* part, int* arrived, const int* sound,
                                  double* factors, double* counts, int* good, double l2_scale, double scale,
                                  double max_change_scale, double max_param_change, int components) {
    __shared__ int last;
    __shared__ double sizes[THREADS];
    long long start = (long long)blockIdx.x * CHUNK;
    real pull = (real)(l2_scale * l2[owner[blockIdx.x]]);
    double sum = 0;
    for (int i = threadIdx.x; i < CHUNK; i += THREADS) {
        real x = d[start + i];
        if (pull != 0) {
            x += pull * w[start + i];
            d[start + i] = x;
        }
        sum += x * x;  // in the precision of x: what overflows there is not finite
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        part[blockIdx.x] = sum;
        __threadfence();
        last = atomicAdd(arrived, 1) == (int)gridDim.x - 1;
    }
    __syncthreads();
    if (!last) return;
    __threadfence();
    int finite = sound[0] != 0;
    double square = 0;
    for (int c = threadIdx.x; c < components; c += THREADS) {
        double total = 0;
        for (int k = first[c]; k < first[c + 1]; k++) total += __ldcg(part + k);
        double size = sqrt(total) * fabs(scale);
        double limit = max_change[c] * max_change_scale;
        bool limited = max_change[c] != 0 && size > limit;
        factors[c] = limited ? limit / size : 1;
        if (limited) size = limit;
        if (!isfinite(total)) finite = 0;
        square += size * size;
    }
    sizes[threadIdx.x] = finite;
    __syncthreads();
    for (int t = 0; t < THREADS; t++) finite = finite && sizes[t] != 0;
    double whole = sqrt(block_sum(square)), allowed = max_param_change * max_change_scale;
    bool held = max_param_change != 0 && whole > allowed;
    double all = held ? scale * (allowed / whole) : scale;
    for (int c = threadIdx.x; c < components; c += THREADS) {
        if (finite && factors[c] != 1) counts[c] += 1;
        factors[c] = finite ? factors[c] * all : 0;
    }
    if (threadIdx.x == 0) {
        if (finite && held) counts[components] += 1;
        good[0] = finite;
        arrived[0] = 0;
    }
}

// w += factor of the component times d, then d *= momentum; where the change is not good only d = 0.
extern "C" __global__ void apply(real* w, real* d, const int* owner, const double* factors, const int* good,
                                 real momentum) {
    long long start = (long long)blockIdx.x * CHUNK;
    real factor = (real)factors[owner[blockIdx.x]];
    bool sound = good[0];
    for (int i = threadIdx.x; i < CHUNK; i += THREADS) {
        real x = d[start + i];
        if (sound) w[start + i] += factor * x;
        d[start + i] = sound && momentum != 0 ? momentum * x : 0;
    }
}
