// What a CUDA source needs to be compiled by g++: index variables, and blocks of threads that run one after
// the other as fibres, switching at barriers. A barrier that only some threads reach ends the process.
#include <cmath>
#include <cstdio>
#include <csetjmp>
#include <cstdlib>
#include <ucontext.h>

struct Index { unsigned x = 0, y = 0, z = 0; };
struct Extent { unsigned x = 1, y = 1, z = 1; };
static Extent gridDim, blockDim;
static Index blockIdx, threadIdx;

#define __global__
#define __device__ static
#define __shared__ static
#define __restrict__
#define __launch_bounds__(n)

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}

namespace emulated {
constexpr size_t STACK = 1 << 15;
static jmp_buf scheduler, fibres[1024];  // after the start jumps, which need no system call
static bool started[1024], finished[1024];
static int current;
static void (*body)();
static bool backwards;

static void pause() {
    if (!_setjmp(fibres[current])) _longjmp(scheduler, 1);
}

static void fibre() {
    for (;;) {
        body();
        finished[current] = true;
        pause();
    }
}

static void start() {
    static ucontext_t fresh;
    getcontext(&fresh);
    fresh.uc_stack.ss_sp = malloc(STACK);
    fresh.uc_stack.ss_size = STACK;
    started[current] = true;
    makecontext(&fresh, fibre, 0);
    setcontext(&fresh);
}

static inline void place(int i) {
    threadIdx.x = i % blockDim.x;
    threadIdx.y = i / blockDim.x % blockDim.y;
    threadIdx.z = i / (blockDim.x * blockDim.y);
}

static void run_with_barriers(int threads) {
    for (int i = 0; i < threads; i++) finished[i] = false;
    for (volatile int done = 0; done < threads;) {
        done = 0;
        for (volatile int k = 0; k < threads; k = k + 1) {
            current = backwards ? threads - 1 - k : k;
            place(current);
            if (!_setjmp(scheduler)) {
                if (!started[current]) start();
                _longjmp(fibres[current], 1);
            }
            done = done + finished[current];
        }
        if (done != 0 && done != threads) {
            fprintf(stderr, "%d of %d threads of a block passed a barrier that the others did not reach\n",
                    threads - done, threads);
            abort();
        }
    }
}

static void launch(bool barriers, void (*f)()) {
    body = f;
    int threads = blockDim.x * blockDim.y * blockDim.z;
    unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    for (unsigned k = 0; k < blocks; k++) {
        unsigned b = backwards ? blocks - 1 - k : k;
        blockIdx.x = b % gridDim.x;
        blockIdx.y = b / gridDim.x % gridDim.y;
        blockIdx.z = b / (gridDim.x * gridDim.y);
        if (barriers) {
            run_with_barriers(threads);
        } else {
            for (int i = 0; i < threads; i++) {
                place(backwards ? threads - 1 - i : i);
                f();
            }
        }
    }
}
}  // namespace emulated

static inline void __syncthreads() {
    emulated::pause();
}

static inline void __threadfence() {}
static inline double __ldcg(const double* p) { return *p; }
static inline int atomicAdd(int* p, int n) {
    int old = *p;
    *p += n;
    return old;
}
using std::isfinite;
