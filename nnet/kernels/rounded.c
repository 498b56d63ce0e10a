/* Eigenvectors and products of small float32 matrices, every operation rounded as in nnet/rounded_eigen.py and
 * nnet/rounded_blas.py, whose functions of the same names say why: the bits are the same. An exact product is a double.
 */

#include <math.h>
#include <stddef.h>

#ifdef SINGLE /* there is nothing to round like this in double precision */

#define TINY 1.17549435e-38f
#define SHORT 32
#define COLUMNS_AT_ONCE 48
#define EVEN_ROWS 8 /* that a long product with a vector takes at a time */

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* a b + c rounded once from a double. */
static inline float fused(float a, float b, float c) { return (float)((double)a * b + c); }

/* out += A B for A (m, k), whose rows lie `apart` elements apart, and B (k, n): term after term from zero. */
void rounded_block(const float *A, size_t apart, const float *B, float *out, float *sum, size_t m, size_t k, size_t n)
{
    for (size_t i = 0; i < m; i++, A += apart, out += n) {
        for (size_t j = 0; j < n; j++)
            sum[j] = 0;
        for (size_t t = 0; t < k; t++)
            for (size_t j = 0; j < n; j++)
                sum[j] = fused(A[t], B[t * n + j], sum[j]);
        for (size_t j = 0; j < n; j++)
            out[j] += sum[j];
    }
}

static float dot(const float *x, const float *y, size_t n)
{
    size_t whole = n / SHORT * SHORT, even = n / 64 * 64;
    double tail = 0;
    for (size_t j = whole; j < n; j++)
        tail += x[j] * y[j];
    if (!whole)
        return (float)tail;
    float s[4][16] = {{0}}, eight[8];
    for (size_t i = 0; i < even; i += 64)
        for (size_t a = 0; a < 4; a++)
            for (size_t b = 0; b < 16; b++)
                s[a][b] = fused(x[i + 16 * a + b], y[i + 16 * a + b], s[a][b]);
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 8; b++) {
            s[a][b] += s[a][b + 8];
            if (even < whole)
                s[a][b] = fused(x[even + 8 * a + b], y[even + 8 * a + b], s[a][b]);
        }
    for (size_t b = 0; b < 8; b++)
        eight[b] = ((s[0][b] + s[1][b]) + s[2][b]) + s[3][b];
    for (size_t b = 0; b < 4; b++)
        eight[b] += eight[b + 4];
    return (float)(tail + ((eight[0] + eight[1]) + (eight[2] + eight[3])));
}

/* p = beta A v for the symmetric A (k, k), rows n apart, of which the lower half counts. */
static void symmetric_times_vector(const float *A, const float *v, float beta, float *p, size_t k, size_t n)
{
    for (size_t i = 0; i < k; i++) {
        double sum = 0;
        for (size_t j = 0; i < SHORT && j < i; j++)
            sum += A[i * n + j] * v[j];
        p[i] = beta * (i < SHORT ? (float)sum : dot(A + i * n, v, i));
    }
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++)
            p[j] = fused(beta * v[i], A[i * n + j], p[j]);
}

/* Sum over `rows` rows of A, `apart` elements apart, of row r of A times x[step r], for columns first .. last - 1. */
static void running_sum(const float *A, size_t apart, const float *x, size_t step, float *sum, size_t rows, size_t first,
                        size_t last)
{
    for (size_t j = first; j < last; j++)
        sum[j] = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t j = first; j < last; j++)
            sum[j] = fused(A[r * apart + j], x[r * step], sum[j]);
}

/* y = alpha A'x for A (k, n) and x (k,); `room` (2, n). */
static void transposed_times_vector(const float *A, const float *x, float alpha, float *y, float *room, size_t k,
                                    size_t n)
{
    if (k <= COLUMNS_AT_ONCE && k != 4) {
        running_sum(A, n, x, 1, y, k, 0, n);
        for (size_t j = 0; j < n; j++)
            y[j] *= alpha;
        return;
    }
    float *odd = room + n;
    size_t fours = n / 4 * 4, uneven = fours % 16, width = EVEN_ROWS;
    for (size_t j = 0; j < n; j++)
        y[j] = 0;
    for (size_t start = 0; start < k; start += width) {
        while (width > k - start)
            width /= 2;
        const float *part = A + start * n;
        size_t split = width >= 4 ? uneven : 0; /* these keep the sums over even and odd rows apart */
        running_sum(part, 2 * n, x + start, 2, room, width / 2, 0, split);
        running_sum(part + n, 2 * n, x + start + 1, 2, odd, width / 2, 0, split);
        for (size_t j = 0; j < split; j++)
            y[j] += alpha * (room[j] + odd[j]);
        running_sum(part, n, x + start, 1, room, width, split, fours);
        for (size_t j = split; j < fours; j++)
            y[j] = fused(alpha, room[j], y[j]);
    }
    running_sum(A, n, x, 1, y, k, fours, n);
    for (size_t j = fours; j < n; j++)
        y[j] *= alpha;
}

/* v (k,), its last entry 1, and beta such that (I - beta v v') x has nothing but its last entry. */
static float householder(const float *x, float *v, size_t k)
{
    float most = TINY, sigma = 0;
    for (size_t j = 0; j < k; j++)
        most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
    float scale = 1 / most;
    for (size_t j = 0; j < k; j++)
        v[j] = x[j] * scale;
    for (size_t j = 0; j + 1 < k; j++)
        sigma += v[j] * v[j];
    float last = v[k - 1];
    v[k - 1] = 1;
    if (sigma == 0)
        return 0;
    float mu = sqrtf(last * last + sigma), turned = last <= 0 ? last - mu : -sigma / (last + mu);
    float square = turned * turned, inverse = 1 / turned;
    v[k - 1] = turned;
    for (size_t j = 0; j < k; j++)
        v[j] = isinf(inverse) ? v[j] / turned : v[j] * inverse;
    return 2 * square / (sigma + square);
}

/* T = Q Z Q' tridiagonal: A (n, n), the lower half of Z, is used up; off (n - 1,); Q starts as I; `room` (5, n). */
void rounded_tridiagonalize(float *A, float *off, float *Q, float *room, size_t n)
{
    float *v = room, *p = room + n, *y = room + 2 * n, *more = room + 3 * n;
    for (size_t k = n - 1; k > 1; k--) {
        const float *row = A + k * n;
        off[k - 1] = sqrtf(dot(row, row, k));
        float beta = householder(row, v, k);
        if (beta == 0)
            continue;
        symmetric_times_vector(A, v, beta, p, k, n);
        float along = -0.5f * beta * dot(p, v, k);
        for (size_t j = 0; j < k; j++)
            p[j] = fused(along, v[j], p[j]);
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j <= i; j++)
                A[i * n + j] = fused(-p[i], v[j], fused(-v[i], p[j], A[i * n + j]));
        transposed_times_vector(Q, v, -beta, y, more, k, n);
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < n; j++)
                Q[i * n + j] = fused(v[i], y[j], Q[i * n + j]);
    }
    if (n > 1)
        off[0] = A[n];
}

/* Wilkinson's shift: the eigenvalue of [[a, off], [off, b]] closer to b. */
static float shift(float a, float b, float off)
{
    float half = (a - b) / 2, size = fabsf(half);
    size = fabsf(off) > size ? fabsf(off) : size;
    size = TINY > size ? TINY : size;
    float scale = 1 / size;
    half *= scale;
    float square = (off * scale) * (off * scale), root = sqrtf(half * half + square);
    return b - size * square / (half + (half > 0 ? root : -root));
}

/* c and s of the rotation that turns (a, b) into (r, 0). */
static void givens(float a, float b, float *c, float *s)
{
    if (b == 0) {
        *c = 1;
        *s = 0;
    } else if (fabsf(b) > fabsf(a)) {
        float tau = -a / b;
        *s = 1 / sqrtf(1 + tau * tau);
        *c = *s * tau;
    } else {
        float tau = -b / a;
        *c = 1 / sqrtf(1 + tau * tau);
        *s = *c * tau;
    }
}

/* One implicit QR step for a part of `rows` rows without a zero in `off`; the rows of Q have n columns. */
static void qr_step(float *diag, float *off, float *Q, size_t rows, size_t n)
{
    float x = diag[0] - shift(diag[rows - 2], diag[rows - 1], off[rows - 2]), z = off[0];
    for (size_t k = 0; k + 1 < rows; k++, Q += n) {
        float c, s, p = diag[k], q = off[k], r = diag[k + 1];
        givens(x, z, &c, &s);
        diag[k] = c * (c * p - s * q) - s * (c * q - s * r);
        off[k] = s * (c * p - s * q) + c * (c * q - s * r);
        diag[k + 1] = s * (s * p + c * q) + c * (s * q + c * r);
        if (k > 0)
            off[k - 1] = c * off[k - 1] - s * z;
        for (size_t j = 0; j < n; j++) {
            float above = Q[j], below = Q[n + j];
            Q[j] = fused(c, above, below * -s);
            Q[n + j] = fused(c, below, above * s);
        }
        if (k + 2 < rows) {
            x = off[k];
            z = -s * off[k + 1];
            off[k + 1] = c * off[k + 1];
        }
    }
}

/* QR steps until off (n - 1,) is zero: diag (n,) becomes the eigenvalues, the rows of Q (n, n) the eigenvectors. */
void rounded_diagonalize(float *diag, float *off, float *Q, size_t n)
{
    size_t patience = 100 + 2 * n;
    float epsilon = 1.1920929e-7f; /* 2^-23 */
    for (size_t step = 0; step < 500 + 4 * n; step++) {
        if (step >= patience && (step - patience) % 50 == 0)
            epsilon *= 2;
        size_t end = 0;
        for (size_t k = 0; k + 1 < n; k++) {
            if (fabsf(off[k]) <= epsilon * (fabsf(diag[k]) + fabsf(diag[k + 1])))
                off[k] = 0;
            end = off[k] != 0 ? k + 2 : end;
        }
        if (end == 0)
            return;
        size_t start = end - 2;
        while (start > 0 && off[start - 1] != 0)
            start--;
        qr_step(diag + start, off + start, Q + start * n, end - start, n);
    }
}

#endif
