/* Passes over arrays of the host, each element read once: what numpy does in several passes or with temporary arrays.
 *
 * Compiled once for every floating type `real`, called through ctypes (compiled.py). Sums run in the same order on
 * every processor: vectors of LANES elements are the unit, whatever registers there are, and nothing is contracted
 * (-ffp-contract=off), so that a rerun, here or elsewhere, gives the same bits.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define FAST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FAST
#endif

#if defined(__clang__)
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define ELEMENTWISE _Pragma("GCC ivdep")
#else
#define ELEMENTWISE
#endif

#define TILE 512   /* columns whose sums are held at a time */
#define CHUNK 128  /* rows that are summed in `real` before they go to a double */
#define LANES (64 / sizeof(real))

const char *digest = DIGEST; /* of this file: a library that another one made is not used */

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* total[j] = sum_i a[i, j], product[j] = sum_i a[i, j] b[i, j] for the `width` columns from a and b on. */
static inline __attribute__((always_inline)) void
tile_sums(const real *a, const real *b, double *total, double *product, size_t rows, size_t columns, size_t width)
{
    real s[TILE], p[TILE];
    for (size_t j = 0; j < width; j++)
        total[j] = product[j] = 0;
    for (size_t start = 0; start < rows; start += CHUNK) {
        size_t stop = least(start + CHUNK, rows), i = start;
        for (size_t j = 0; j < width; j++)
            s[j] = p[j] = 0;
        for (; i + 4 <= stop; i += 4) {
            const real *a0 = a + i * columns, *a1 = a0 + columns, *a2 = a1 + columns, *a3 = a2 + columns;
            const real *b0 = b + i * columns, *b1 = b0 + columns, *b2 = b1 + columns, *b3 = b2 + columns;
            for (size_t j = 0; j < width; j++) {
                s[j] += (a0[j] + a1[j]) + (a2[j] + a3[j]);
                p[j] += (a0[j] * b0[j] + a1[j] * b1[j]) + (a2[j] * b2[j] + a3[j] * b3[j]);
            }
        }
        for (; i < stop; i++)
            for (size_t j = 0; j < width; j++) {
                s[j] += a[i * columns + j];
                p[j] += a[i * columns + j] * b[i * columns + j];
            }
        for (size_t j = 0; j < width; j++) {
            total[j] += s[j];
            product[j] += p[j];
        }
    }
}

/* total[j] = sum_i a[i, j], product[j] = sum_i a[i, j] b[i, j], both (width,), for the first `width` columns. */
FAST void column_products(const real *a, const real *b, double *total, double *product, size_t rows, size_t columns,
                          size_t width)
{
    for (size_t j = 0; j < width; j += TILE)
        tile_sums(a + j, b + j, total + j, product + j, rows, columns, least(TILE, width - j));
}

/* x = max(x + b, 0) and its column sums, `total` and `square`, for the first `width` columns. */
FAST void bias_relu_sums(real *x, const real *b, double *total, double *square, size_t rows, size_t columns,
                         size_t width)
{
    for (size_t first = 0; first < width; first += TILE) {
        size_t wide = least(TILE, width - first);
        for (size_t start = 0; start < rows; start += CHUNK) {
            size_t stop = least(start + CHUNK, rows);
            double s[TILE], p[TILE];
            real *at = x + start * columns + first;
            for (size_t i = start; i < stop; i++, at += columns)
                ELEMENTWISE
                for (size_t j = 0; j < wide; j++) {
                    real y = at[j] + b[first + j];
                    at[j] = y > 0 ? y : (y == y ? (real)0 : y);
                }
            tile_sums(at - (stop - start) * columns, at - (stop - start) * columns, s, p, stop - start, columns, wide);
            for (size_t j = 0; j < wide; j++) {
                total[first + j] = (start ? total[first + j] : 0) + s[j];
                square[first + j] = (start ? square[first + j] : 0) + p[j];
            }
        }
    }
}

/* total[j] = sum_i y[i, j], positive[j] = how many y[i, j] > 0, for the first `most` columns. */
FAST void column_activity(const real *y, double *total, double *positive, size_t rows, size_t columns, size_t most)
{
    for (size_t start = 0; start < most; start += TILE) {
        size_t width = least(TILE, most - start);
        real s[TILE], p[TILE];
        for (size_t j = 0; j < width; j++)
            total[start + j] = positive[start + j] = 0;
        for (size_t first = 0; first < rows; first += CHUNK) {
            for (size_t j = 0; j < width; j++)
                s[j] = p[j] = 0;
            for (size_t i = first; i < least(first + CHUNK, rows); i++) {
                const real *row = y + i * columns + start;
                for (size_t j = 0; j < width; j++) {
                    s[j] += row[j];
                    p[j] += row[j] > 0 ? (real)1 : (real)0;
                }
            }
            for (size_t j = 0; j < width; j++) {
                total[start + j] += s[j];
                positive[start + j] += p[j];
            }
        }
    }
}

/* y = (x - mean) scale, both (columns,). */
FAST void standardise(const real *restrict x, const real *restrict mean, const real *restrict scale, real *restrict y,
                      size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++, x += columns, y += columns)
        for (size_t j = 0; j < columns; j++)
            y[j] = (x[j] - mean[j]) * scale[j];
}

/* dx = (x slope + offset) + dy scale; dx may be dy. */
FAST void standardise_back(const real *dy, const real *x, const real *slope, const real *offset, const real *scale,
                           real *dx, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++, dy += columns, x += columns, dx += columns)
        ELEMENTWISE
        for (size_t j = 0; j < columns; j++)
            dx[j] = (x[j] * slope[j] + offset[j]) + dy[j] * scale[j];
}

/* dx = dy where y > 0, dy times zero elsewhere; dx may be dy. */
FAST void relu_back(const real *dy, const real *y, real *dx, size_t size)
{
    ELEMENTWISE
    for (size_t i = 0; i < size; i++)
        dx[i] = dy[i] * (y[i] > 0 ? (real)1 : (real)0);
}

/* The sum of all x[i, j]^2; rows lie `apart` elements apart. */
FAST double sum_of_squares(const real *x, size_t rows, size_t columns, ptrdiff_t apart)
{
    double total = 0;
    size_t even = columns - columns % (2 * LANES);
    for (size_t i = 0; i < rows; i++, x += apart) {
        real s[2 * LANES] = {0}, rest = 0;
        for (size_t j = 0; j < even; j += 2 * LANES)
            for (size_t k = 0; k < 2 * LANES; k++)
                s[k] += x[j + k] * x[j + k];
        for (size_t j = even; j < columns; j++)
            rest += x[j] * x[j];
        for (size_t k = LANES; k; k /= 2)
            for (size_t l = 0; l < k; l++)
                s[l] += s[l + k];
        total += s[0] + rest;
    }
    return total;
}

#ifdef SINGLE
/* y = x in bfloat16, (rows, columns) without gaps: the upper half of each number, rounded to even. The sum of all
 * x[i, j]^2, of x itself. Rows of x lie `apart` elements apart. */
FAST double narrow(const float *x, uint16_t *restrict y, size_t rows, size_t columns, ptrdiff_t apart)
{
    double total = 0;
    for (size_t i = 0; i < rows; i++, x += apart, y += columns) {
        total += sum_of_squares(x, 1, columns, apart);
        for (size_t j = 0; j < columns; j++) {
            union { float f; uint32_t u; } bits = {x[j]};
            uint32_t half = (bits.u + 0x7fff + (bits.u >> 16 & 1)) >> 16;
            y[j] = (uint16_t)((bits.u & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : half); /* NaN stays one */
        }
    }
    return total;
}
#endif

/* y = scale x, or y += scale x: T blocks of N rows of `columns`, which lie y0, y1 and x0, x1 elements apart. */
FAST void scaled_rows(real *restrict y, ptrdiff_t y0, ptrdiff_t y1, const real *restrict x, ptrdiff_t x0, ptrdiff_t x1,
                      size_t T, size_t N, size_t columns, double factor, ptrdiff_t add)
{
    real scale = (real)factor;
    for (size_t t = 0; t < T; t++)
        for (size_t n = 0; n < N; n++) {
            real *to = y + (ptrdiff_t)t * y0 + (ptrdiff_t)n * y1;
            const real *from = x + (ptrdiff_t)t * x0 + (ptrdiff_t)n * x1;
            if (add)
                for (size_t j = 0; j < columns; j++)
                    to[j] += scale * from[j];
            else
                for (size_t j = 0; j < columns; j++)
                    to[j] = scale * from[j];
        }
}

/* y = a_factor a + b_factor b: T blocks of N rows of `columns`, whose steps are given as above. */
FAST void sum_of_rows(real *restrict y, ptrdiff_t y0, ptrdiff_t y1, const real *restrict a, ptrdiff_t a0, ptrdiff_t a1,
                      double a_factor, const real *restrict b, ptrdiff_t b0, ptrdiff_t b1, double b_factor, size_t T,
                      size_t N, size_t columns)
{
    real p = (real)a_factor, q = (real)b_factor;
    for (size_t t = 0; t < T; t++)
        for (size_t n = 0; n < N; n++) {
            real *to = y + (ptrdiff_t)t * y0 + (ptrdiff_t)n * y1;
            const real *first = a + (ptrdiff_t)t * a0 + (ptrdiff_t)n * a1;
            const real *second = b + (ptrdiff_t)t * b0 + (ptrdiff_t)n * b1;
            for (size_t j = 0; j < columns; j++)
                to[j] = p * first[j] + q * second[j];
        }
}

/* Kaldi's CharToFloat: values (rows, columns) of one byte each, between four percentiles of their column (4, columns). */
FAST void speech_values(const unsigned char *restrict codes, const real *restrict percentiles, real *restrict y,
                        size_t rows, size_t columns)
{
    const real *p0 = percentiles, *p25 = p0 + columns, *p75 = p25 + columns, *p100 = p75 + columns;
    for (size_t i = 0; i < rows; i++, codes += columns, y += columns)
        for (size_t j = 0; j < columns; j++) {
            real c = codes[j];
            real low = c * (p25[j] - p0[j]) * (real)(1.0 / 64) + p0[j];
            real middle = (c - 64) * (p75[j] - p25[j]) * (real)(1.0 / 128) + p25[j];
            real high = (real)(p75[j] + (p100[j] - p75[j]) * (c - 192) * (1 / 63.0));
            y[j] = c > 192 ? high : c > 64 ? middle : low;
        }
}

/* e^x to 2 units in the last place, 0 below the least normal number: ln 2 taken away n times, then a polynomial (Cephes). */
static inline __attribute__((always_inline)) real exponential(real x)
{
#ifdef SINGLE
    x = x < -87.33654f ? -87.33654f : x;
    x = x > 88.72283f ? 88.72283f : x;
    float n = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: the sum is rounded to an integer */
    union { float f; uint32_t u; } bits = {n};
    n -= 12582912.0f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    union { uint32_t u; float f; } power = {(bits.u << 23) + 0x3f800000u};
    return p * power.f;
#else
    return exp(x);
#endif
}

/* y = x - log sum exp x over each row. */
FAST void log_softmax(const real *restrict x, real *restrict y, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++, x += columns, y += columns) {
        size_t even = columns - columns % LANES;
        real high[LANES], s[LANES] = {0};
        real highest = x[0], sum = 0;
        for (size_t k = 0; k < LANES; k++)
            high[k] = highest;
        for (size_t j = 0; j < even; j += LANES)
            for (size_t k = 0; k < LANES; k++)
                high[k] = x[j + k] > high[k] ? x[j + k] : high[k];
        for (size_t j = even; j < columns; j++)
            highest = x[j] > highest ? x[j] : highest;
        for (size_t k = 0; k < LANES; k++)
            highest = high[k] > highest ? high[k] : highest;
        for (size_t j = 0; j < even; j += LANES)
            for (size_t k = 0; k < LANES; k++)
                s[k] += exponential(x[j + k] - highest);
        for (size_t j = even; j < columns; j++)
            sum += exponential(x[j] - highest);
        for (size_t k = 0; k < LANES; k++)
            sum += s[k];
        sum = (real)log((double)sum);
        for (size_t j = 0; j < columns; j++)
            y[j] = (x[j] - highest) - sum;
    }
}

/* dx = dy - exp(y) sum(dy) over each row; dx may be dy. */
FAST void log_softmax_back(const real *dy, const real *y, real *dx, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++, dy += columns, y += columns, dx += columns) {
        size_t even = columns - columns % LANES;
        real s[LANES] = {0}, sum = 0;
        for (size_t j = 0; j < even; j += LANES)
            for (size_t k = 0; k < LANES; k++)
                s[k] += dy[j + k];
        for (size_t j = even; j < columns; j++)
            sum += dy[j];
        for (size_t k = 0; k < LANES; k++)
            sum += s[k];
        ELEMENTWISE
        for (size_t j = 0; j < columns; j++)
            dx[j] = dy[j] - exponential(y[j]) * sum;
    }
}
