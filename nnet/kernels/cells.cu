// Recurrent cells, one thread for each row and cell. x (rows, x_stride) holds the parts i, f, c, o, then
// c_prev, of C columns each, then with dropout a mask for i, f and o; W (3, C) are peepholes into i, f and o.

__device__ real sigmoid(real x) { return 1 / (1 + exp(-x)); }

__device__ real mask_of(const real* masks, int k, int masked) { return masked ? masks[k] : (real)1; }

// v (rows, 5, C) = i, f, g, o, h and y (rows, 2 C) = c, m.
extern "C" __global__ void lstm(real* v, real* y, const real* x, long long x_stride, const real* W, int masked,
                                int C, long long size) {
    long long at = ELEMENT;
    if (at >= size) return;
    long long row = at / C;
    int j = at % C;
    x += row * x_stride;
    v += row * 5 * C + j;
    y += row * 2 * C + j;
    real c_prev = x[4 * C + j];
    real i = sigmoid(x[j] + c_prev * W[j]), f = sigmoid(x[C + j] + c_prev * W[C + j]), g = tanh(x[2 * C + j]);
    real c = f * mask_of(x + 5 * C, 1, masked) * c_prev + i * mask_of(x + 5 * C, 0, masked) * g;
    real o = sigmoid(x[3 * C + j] + c * W[2 * C + j]), h = tanh(c);
    v[0] = i;
    v[C] = f;
    v[2 * C] = g;
    v[3 * C] = o;
    v[4 * C] = h;
    y[0] = c;
    y[C] = o * mask_of(x + 5 * C, 2, masked) * h;
}

// dx (rows, dx_stride): derivatives by the parts of i, f, c, o and by c_prev, zeros for masks; dy (rows, 2 C)
// of rows dy_stride apart, held the columns of x from c_prev on, of rows held_stride apart. repair (5, C), where
// `repairs`, pulls nonlinearities towards zero.
extern "C" __global__ void lstm_back(real* dx, long long dx_stride, const real* dy, long long dy_stride,
                                     const real* v, const real* held, long long held_stride, const real* W,
                                     const real* repair, int repairs, int masked, int C, long long size) {
    long long at = ELEMENT;
    if (at >= size) return;
    long long row = at / C;
    int j = at % C;
    held += row * held_stride;
    dx += row * dx_stride;
    dy += row * dy_stride;
    v += row * 5 * C + j;
    real i = v[0], f = v[C], g = v[2 * C], o = v[3 * C], h = v[4 * C], c_prev = held[j];
    real pull_i = 0, pull_f = 0, pull_g = 0, pull_o = 0, pull_h = 0;
    if (repairs) {
        pull_i = repair[j] * (2 * i - 1);
        pull_f = repair[C + j] * (2 * f - 1);
        pull_g = repair[2 * C + j] * g;
        pull_o = repair[3 * C + j] * (2 * o - 1);
        pull_h = repair[4 * C + j] * h;
    }
    real i_mask = mask_of(held + C, 0, masked), f_mask = mask_of(held + C, 1, masked);
    real dm = dy[C + j] * mask_of(held + C, 2, masked);
    real d_o = dm * h * o * (1 - o) - pull_o;
    real dc = dm * o * (1 - h * h) + dy[j] + d_o * W[2 * C + j] - pull_h;
    real di = dc * g * i_mask * i * (1 - i) - pull_i;
    real df = dc * c_prev * f_mask * f * (1 - f) - pull_f;
    dx[j] = di;
    dx[C + j] = df;
    dx[2 * C + j] = dc * i * i_mask * (1 - g * g) - pull_g;
    dx[3 * C + j] = d_o;
    dx[4 * C + j] = dc * f * f_mask + di * W[j] + df * W[C + j];
    if (masked) for (int k = j; k < 3; k += C) dx[5 * C + k] = 0;
}

// y (rows, 2 C) = (h, c) with h = tanh(a), c = (1 - z) h + z c_prev; z and c_prev lie in rows x_stride apart.
extern "C" __global__ void gru(real* y, const real* a, const real* z, const real* c_prev, long long x_stride,
                               int C, long long size) {
    long long at = ELEMENT;
    if (at >= size) return;
    long long row = at / C;
    int j = at % C;
    real h = tanh(a[at]), gate = z[row * x_stride + j];
    y[row * 2 * C + j] = h;
    y[row * 2 * C + C + j] = h + gate * (c_prev[row * x_stride + j] - h);
}

// da, dz and dc_prev (without what comes through a) for dy (rows, 2 C) of rows dy_stride apart.
extern "C" __global__ void gru_back(real* da, real* dz, real* dc_prev, long long dx_stride, const real* dy,
                                    long long dy_stride, const real* y, long long y_stride, const real* z,
                                    const real* c_prev, long long x_stride, int C, long long size) {
    long long at = ELEMENT;
    if (at >= size) return;
    long long row = at / C;
    int j = at % C;
    real h = y[row * y_stride + j], gate = z[row * x_stride + j], dc = dy[row * dy_stride + C + j];
    da[at] = (dc * (1 - gate) + dy[row * dy_stride + j]) * (1 - h * h);
    dz[row * dx_stride + j] = dc * (c_prev[row * x_stride + j] - h);
    dc_prev[row * dx_stride + j] = dc * gate;
}
