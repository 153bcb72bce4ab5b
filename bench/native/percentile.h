/* Exact percentiles of a bounded number of samples, by nearest rank: the smallest sample that at least p % of all
 * samples do not exceed. No buckets, no interpolation: a reported latency is one that was measured. */
#ifndef PERCENTILE_H
#define PERCENTILE_H
#include <stdint.h>
#include <stdlib.h>

static inline int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static inline void sort_samples(uint32_t *samples, size_t count) { qsort(samples, count, sizeof *samples, by_size); }

/* `sorted` in rising order; per_mille 500 is the median. 0 when there are no samples. */
static inline uint32_t percentile(const uint32_t *sorted, size_t count, unsigned per_mille) {
  size_t rank = (count * per_mille + 999) / 1000;
  return count == 0 ? 0 : sorted[rank ? rank - 1 : 0];
}
#endif
