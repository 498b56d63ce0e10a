// The numerator of LF-MMI in the log domain: one launch for a frame, in either direction, for all sequences. Places
// are pairs of a frame and a state; arcs lead from a frame's places to those of the frame after, by a cell of the
// output y or, where they end sequences, by none (cell < 0).

// The log probability of an arc, with what the network says.
__device__ double worth(const double* weight, const int* cell, const real* y, int a) {
    return cell[a] < 0 ? weight[a] : weight[a] + (double)y[cell[a]];
}

// alpha of places `start` and on: the log of the sum over arcs into them, sorted by target.
extern "C" __global__ void forward(double* alpha, const real* y, const int* first, const int* source, const int* cell,
                                   const double* weight, int start, long long size) {
    if (ELEMENT >= size) return;
    int place = start + (int)ELEMENT;
    double highest = log(0.0), sum = 0;
    for (int a = first[place]; a < first[place + 1]; a++)
        highest = fmax(highest, alpha[source[a]] + worth(weight, cell, y, a));
    double shift = isfinite(highest) ? highest : 0;
    for (int a = first[place]; a < first[place + 1]; a++)
        sum += exp(alpha[source[a]] + worth(weight, cell, y, a) - shift);
    alpha[place] = shift + log(sum);
}

// beta of `places` places from `start` on, by arcs sorted by source; then, in further threads, the posteriors of
// the cells of the frame from `start_cell` on, by arcs sorted by cell.
extern "C" __global__ void backward(double* beta, real* posterior, const double* alpha, const real* y,
                                    const int* first, const int* target, const int* cell, const double* weight,
                                    const int* cell_first, const int* cell_at, const int* cell_source,
                                    const int* cell_target, const double* cell_weight, int start, int places,
                                    int start_cell, long long size) {
    if (ELEMENT >= size) return;
    if (ELEMENT >= places) {
        int c = start_cell + (int)ELEMENT - places;
        double sum = 0;
        for (int a = cell_first[c]; a < cell_first[c + 1]; a++)
            sum += exp(alpha[cell_source[a]] + cell_weight[a] + (double)y[cell_at[c]] + beta[cell_target[a]]);
        posterior[cell_at[c]] = (real)sum;
        return;
    }
    int place = start + (int)ELEMENT;
    double highest = log(0.0), sum = 0;
    for (int a = first[place]; a < first[place + 1]; a++)
        highest = fmax(highest, beta[target[a]] + worth(weight, cell, y, a));
    double shift = isfinite(highest) ? highest : 0;
    for (int a = first[place]; a < first[place + 1]; a++)
        sum += exp(beta[target[a]] + worth(weight, cell, y, a) - shift);
    beta[place] = shift + log(sum);
}
