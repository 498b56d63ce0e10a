// Random masks from a counter: Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011), as numpy's bit generator of that name counts. Every thread makes one block of four words.

__device__ void philox(unsigned long long key0, unsigned long long key1, unsigned long long block,
                       unsigned long long* word) {
    unsigned long long c0 = block + 1, c1 = 0, c2 = 0, c3 = 0;  // numpy counts before it draws
    for (int round = 0; round < 10; round++) {
        unsigned long long low0 = 0xD2E7470EE14C6C93ULL * c0, high0 = __umul64hi(0xD2E7470EE14C6C93ULL, c0);
        unsigned long long low1 = 0xCA5A826395121157ULL * c2, high1 = __umul64hi(0xCA5A826395121157ULL, c2);
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += 0x9E3779B97F4A7C15ULL;
        key1 += 0xBB67AE8584CAA73BULL;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

// mask[i] = 16 random bits >= threshold, 16 elements for each block of words; `blocks` threads.
extern "C" __global__ void kept(unsigned char* mask, long long size, int threshold,
                                const unsigned long long* key0, unsigned long long key1, long long blocks) {
    long long block = ELEMENT;
    if (block >= blocks) return;
    unsigned long long word[4];
    philox(key0[0], key1, block, word);
    for (int i = 0; i < 16; i++) {
        long long at = 16 * block + i;
        if (at < size) mask[at] = (int)(word[i / 4] >> (16 * (i % 4)) & 0xFFFF) >= threshold;
    }
}

// mask[i] = u * width + low for u uniform in [0, 1): floats take 24 of 32 bits, doubles 53 of 64.
extern "C" __global__ void uniform(real* mask, long long size, real low, real width,
                                   const unsigned long long* key0, unsigned long long key1, long long blocks) {
    long long block = ELEMENT;
    if (block >= blocks) return;
    unsigned long long word[4];
    philox(key0[0], key1, block, word);
    const int each = sizeof(real) == 4 ? 8 : 4;
    for (int i = 0; i < each; i++) {
        long long at = each * block + i;
        real u = each == 8 ? (real)((word[i / 2] >> (32 * (i % 2)) & 0xFFFFFFFF) >> 8) * (real)(1.0 / 16777216)
                           : (real)((double)(word[i % 4] >> 11) * (1.0 / 9007199254740992.0));
        if (at < size) mask[at] = u * width + low;
    }
}
