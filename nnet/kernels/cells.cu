// Recurrent cells, one thread for each row and cell. A room (rows of `stride` elements) holds the parts i, f, c, o,
// then c_prev, of C columns each, then with dropout a mask for i, f and o; its last C columns are free. W (3, C)
// are peepholes into i, f and o.

__device__ real sigmoid(real x) { return 1 / (1 + exp(-x)); }

__device__ real mask_of(const real* masks, int k, int masked) { return masked ? masks[k] : (real)1; }

// i, f, g, o take the place of their parts, h the last columns; y = c, m in rows y_stride apart.
extern "C" __global__ void lstm(real* room, long long stride, real* y, long long y_stride, const real* W, int masked,
                                int C, long long size) {
    long long at = ELEMENT;
    if (at >= size) return;
    long long row = at / C;
    int j = at % C;
    room += row * stride;
    y += row * y_stride;
    const real* masks = room + 5 * C;
    real* v = room + j;
    real c_prev = v[4 * C];
    real i = sigmoid(v[0] + c_prev * W[j]), f = sigmoid(v[C] + c_prev * W[C + j]), g = tanh(v[2 * C]);
    real c = f * mask_of(masks, 1, masked) * c_prev + i * mask_of(masks, 0, masked) * g;
    real o = sigmoid(v[3 * C] + c * W[2 * C + j]), h = tanh(c);
    v[0] = i;
    v[C] = f;
    v[2 * C] = g;
    v[3 * C] = o;
    v[(masked ? 5 * C + 3 : 5 * C)] = h;
    y[j] = c;
    y[C + j] = o * mask_of(masks, 2, masked) * h;
}

// A room after `lstm` becomes the derivatives by the parts of i, f, c, o and by c_prev, for dy in rows dy_stride
// apart; c_prev goes to the last columns; masks stay. repair (5, C), where `repairs`, pulls
// nonlinearities towards zero.
extern "C" __global__ void lstm_back(real* room, long long stride, const real* dy, long long dy_stride, const real* W,
                                     const real* repair, int repairs, int masked, int C, long long size) {
    long long at = ELEMENT;
    if (at >= size) return;
    long long row = at / C;
    int j = at % C;
    room += row * stride;
    dy += row * dy_stride;
    const real* masks = room + 5 * C;
    real* v = room + j;
    real* last = v + (masked ? 5 * C + 3 : 5 * C);
    real i = v[0], f = v[C], g = v[2 * C], o = v[3 * C], c_prev = v[4 * C], h = *last;
    real pull_i = 0, pull_f = 0, pull_g = 0, pull_o = 0, pull_h = 0;
    if (repairs) {
        pull_i = repair[j] * (2 * i - 1);
        pull_f = repair[C + j] * (2 * f - 1);
        pull_g = repair[2 * C + j] * g;
        pull_o = repair[3 * C + j] * (2 * o - 1);
        pull_h = repair[4 * C + j] * h;
    }
    real i_mask = mask_of(masks, 0, masked), f_mask = mask_of(masks, 1, masked);
    real dm = dy[C + j] * mask_of(masks, 2, masked);
    real d_o = dm * h * o * (1 - o) - pull_o;
    real dc = dm * o * (1 - h * h) + dy[j] + d_o * W[2 * C + j] - pull_h;
    real di = dc * g * i_mask * i * (1 - i) - pull_i;
    real df = dc * c_prev * f_mask * f * (1 - f) - pull_f;
    v[0] = di;
    v[C] = df;
    v[2 * C] = dc * i * i_mask * (1 - g * g) - pull_g;
    v[3 * C] = d_o;
    v[4 * C] = dc * f * f_mask + di * W[j] + df * W[C + j];
    *last = c_prev;
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
