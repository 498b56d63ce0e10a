// Natural gradient's small problems, one block of THREADS for each, in double: see fisher.py and
// natural_gradient.py, which name the equations. Matrices of rank R lie densely in slots of most * most.

#define MOST 512        // the largest rank
#define SWEEPS 30       // of Jacobi's method; ten suffice for 80 x 80
#define EPSILON 1e-10   // floor of rho and d
#define DELTA 5e-4      // floor of rho and d relative to the largest eigenvalue
#define CONDITION 1e6   // of Z; beyond it rows may have lost their right angles
#define OFF_UNIT 1e-3   // error of R R' that is tolerated
#define OUT_OF_HAND 100 // entries of the inverse Cholesky factor

__device__ double e_of(double d, double rho, double sum, double alpha, double dim) {
    return 1 / ((rho * (1 + alpha) + alpha * sum / dim) / d + 1);
}

// Players p and q of pair k in a round of a tournament of m (even); the last one keeps its seat.
__device__ void pair_of(int k, int round, int m, int* p, int* q) {
    int a = k == 0 ? m - 1 : (round + k) % (m - 1), b = (round - k + m - 1) % (m - 1);
    *p = a < b ? a : b;
    *q = a < b ? b : a;
}

// Eigenvalues of Z (R, R), symmetric, on its diagonal, eigenvectors as columns of U: Jacobi's method, all
// pairs of a round at once (Brent and Luk 1985).
__device__ void jacobi(double* Z, double* U, int R) {
    __shared__ double cosine[MOST / 2], sine[MOST / 2];
    int m = R + R % 2, pairs = m / 2, p, q;
    for (int i = threadIdx.x; i < R * R; i += THREADS) U[i] = i / R == i % R;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double off = 0, on = 0;
        for (int i = threadIdx.x; i < R * R; i += THREADS) *(i / R == i % R ? &on : &off) += Z[i] * Z[i];
        off = block_sum(off);
        if (off <= 1e-30 * block_sum(on)) break;
        for (int round = 0; round < m - 1; round++) {
            for (int k = threadIdx.x; k < pairs; k += THREADS) {
                pair_of(k, round, m, &p, &q);
                cosine[k] = 1;
                sine[k] = 0;
                if (q < R && Z[p * R + q] != 0) {
                    double t = (Z[q * R + q] - Z[p * R + p]) / (2 * Z[p * R + q]);
                    t = (t < 0 ? -1 : 1) / (fabs(t) + sqrt(t * t + 1));
                    cosine[k] = 1 / sqrt(t * t + 1);
                    sine[k] = t * cosine[k];
                }
            }
            __syncthreads();
            for (int i = threadIdx.x; i < pairs * R; i += THREADS) {
                int k = i / R, j = i % R;
                pair_of(k, round, m, &p, &q);
                if (q >= R) continue;
                double a = Z[p * R + j], b = Z[q * R + j];
                Z[p * R + j] = cosine[k] * a - sine[k] * b;
                Z[q * R + j] = sine[k] * a + cosine[k] * b;
            }
            __syncthreads();
            for (int i = threadIdx.x; i < pairs * R; i += THREADS) {
                int k = i / R, j = i % R;
                pair_of(k, round, m, &p, &q);
                if (q >= R) continue;
                double a = Z[j * R + p], b = Z[j * R + q], u = U[j * R + p], v = U[j * R + q];
                Z[j * R + p] = cosine[k] * a - sine[k] * b;
                Z[j * R + q] = sine[k] * a + cosine[k] * b;
                U[j * R + p] = cosine[k] * u - sine[k] * v;
                U[j * R + q] = sine[k] * u + cosine[k] * v;
            }
            __syncthreads();
        }
    }
}

// From K = JJ', L, tr(XX') and settings (eta, rows, columns, alpha): A (R, R) and b (R,) of W' = A (J + diag(b)
// W), the new d and rho, root = e'^(1/2). verdict: 0 refused, 1 good, 2 right angles to be looked at. Block i
// takes the problem in slots[i], with the settings i.
extern "C" __global__ void solve(const int* slots, const real* K, const real* L, const double* trace,
                                 const double* settings, const int* ranks, const double* d, const double* rho,
                                 double* Z, double* U, real* A, real* b, double* new_d, double* new_rho,
                                 double* root, int* verdict, int most) {
    __shared__ double s[MOST], g[MOST], values[MOST];
    __shared__ int order[MOST];
    const int at = slots[blockIdx.x], R = ranks[at];
    long long slot = (long long)at * most * most, row = (long long)at * most;
    K += slot, L += slot, Z += slot, U += slot, A += slot;
    d += row, b += row, new_d += row, root += row;
    const double eta = settings[4 * blockIdx.x], n = settings[4 * blockIdx.x + 1];
    const double dim = settings[4 * blockIdx.x + 2], alpha = settings[4 * blockIdx.x + 3];
    const double share = eta / n, old_rho = rho[at], energy = trace[at];
    double part = 0;
    for (int r = threadIdx.x; r < R; r += THREADS) part += d[r];
    double sum = block_sum(part);
    for (int r = threadIdx.x; r < R; r += THREADS) {
        s[r] = 1 / sqrt(e_of(d[r], old_rho, sum, alpha, dim));
        g[r] = d[r] + old_rho;
        b[r] = (1 - eta) / share * g[r];
    }
    __syncthreads();
    double bad = !isfinite(energy);
    for (int i = threadIdx.x; i < R * R; i += THREADS) {
        int p = i / R, q = i % R, j = q * R + p;
        double mixed = s[p] * 0.5 * ((double)L[i] + L[j]) * s[q];
        double z = share * share * s[p] * 0.5 * ((double)K[i] + K[j]) * s[q];
        z += share * (1 - eta) * (mixed * g[q] + g[p] * mixed);
        if (p == q) z += (1 - eta) * g[p] * (1 - eta) * g[p];
        Z[i] = z;
        bad += !isfinite(z);
    }
    bad = block_sum(bad);
    if (threadIdx.x == 0) verdict[at] = bad == 0;
    if (bad != 0) return;
    jacobi(Z, U, R);
    __syncthreads();
    const double floor = old_rho * (1 - eta) * old_rho * (1 - eta);
    double total = 0, floored = 0;
    for (int r = threadIdx.x; r < R; r += THREADS) {
        double c = Z[r * R + r];
        int place = 0;
        for (int k = 0; k < R; k++) place += Z[k * R + k] > c || (Z[k * R + k] == c && k < r);
        order[place] = r;
        values[place] = c;
        total += sqrt(c > floor ? c : floor);
        floored += floor > c;
    }
    total = block_sum(total);
    floored = block_sum(floored);
    double made = (share * energy + (1 - eta) * (dim * old_rho + sum) - total) / (dim - R);
    double least = DELTA * sqrt(values[0] > floor ? values[0] : floor);
    least = least > EPSILON ? least : EPSILON;
    part = 0;
    for (int r = threadIdx.x; r < R; r += THREADS) {
        double c = sqrt(values[r] > floor ? values[r] : floor);
        new_d[r] = c - made > least ? c - made : least;
        part += new_d[r];
    }
    sum = block_sum(part);
    made = made > least ? made : least;
    for (int r = threadIdx.x; r < R; r += THREADS) root[r] = sqrt(e_of(new_d[r], made, sum, alpha, dim));
    __syncthreads();
    for (int i = threadIdx.x; i < R * R; i += THREADS) {
        int r = i / R, j = i % R;
        double c = sqrt(values[r] > floor ? values[r] : floor);
        A[i] = (real)(share * root[r] / c * U[j * R + order[r]] * s[j]);
    }
    if (threadIdx.x == 0) {
        new_rho[at] = made;
        if (floored != 0 || !(values[R - 1] > 0) || values[0] / values[R - 1] > CONDITION)
            verdict[at] = 2;
    }
}

// O = W'W'' (R, R) as real becomes, in T, what W' has to be multiplied by for right angles (verdict 2), or the
// verdict becomes 1 where they are right, 0 where that cannot be done. What is not refused is adopted: d, rho.
extern "C" __global__ void right_angles(const int* slots, const real* O, const int* ranks,
                                        const double* root, double* C, double* T, double* d, double* rho,
                                        const double* new_d, const double* new_rho, int* verdict, int most) {
    const int at = slots[blockIdx.x], R = ranks[at];
    long long slot = (long long)at * most * most, row = (long long)at * most;
    O += slot, C += slot, T += slot, root += row, d += row, new_d += row;
    int said = verdict[at];
    if (said == 2) {
        real off = 0;
        for (int i = threadIdx.x; i < R * R; i += THREADS) {
            int p = i / R, q = i % R;
            C[i] = 0.5 * ((double)O[i] + O[q * R + p]) / (root[p] * root[q]);
            T[i] = p == q;
            real error = (real)fabs(C[i] - (p == q));
            if (!(error <= off)) off = error;
        }
        if (!(block_max(off) > (real)OFF_UNIT)) said = 1;
    }
    double bad = 0;
    if (said == 2) {  // Cholesky, column after column; then T, its inverse, by forward substitution
        for (int j = 0; j < R; j++) {
            __syncthreads();
            if (threadIdx.x == 0) C[j * R + j] = sqrt(C[j * R + j]);
            __syncthreads();
            for (int i = j + 1 + threadIdx.x; i < R; i += THREADS) C[i * R + j] /= C[j * R + j];
            __syncthreads();
            for (int k = threadIdx.x; k < (R - j - 1) * (R - j - 1); k += THREADS) {
                int p = j + 1 + k / (R - j - 1), q = j + 1 + k % (R - j - 1);
                if (q <= p) C[p * R + q] -= C[p * R + j] * C[q * R + j];
            }
        }
        __syncthreads();
        for (int q = threadIdx.x; q < R; q += THREADS) {
            for (int p = q; p < R; p++) {
                double x = p == q;
                for (int k = q; k < p; k++) x -= C[p * R + k] * T[k * R + q];
                T[p * R + q] = x / C[p * R + p];
                bad += !(T[p * R + q] < OUT_OF_HAND);
            }
        }
        __syncthreads();
        for (int i = threadIdx.x; i < R * R; i += THREADS) T[i] *= root[i / R] / root[i % R];
        if (block_sum(bad) != 0) said = 0;
    }
    if (said != 0) {
        for (int r = threadIdx.x; r < R; r += THREADS) d[r] = new_d[r];
        if (threadIdx.x == 0) rho[at] = new_rho[at];
    }
    __syncthreads();
    if (threadIdx.x == 0) verdict[at] = said;
}

// W becomes `made` (R, columns), multiplied by T where angles were wrong; stays where it was refused. One
// thread for each column.
extern "C" __global__ void adopt(real* W, const real* made, const double* T, const int* verdict, int index,
                                 int R, int most, long long columns) {
    long long c = ELEMENT;
    if (c >= columns || verdict[index] == 0) return;
    T += (long long)index * most * most;
    for (int r = 0; r < R; r++) {
        double x = made[r * columns + c];
        if (verdict[index] == 2) {
            x = 0;
            for (int j = 0; j <= r; j++) x += T[r * R + j] * made[j * columns + c];
        }
        W[r * columns + c] = (real)x;
    }
}
