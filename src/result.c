/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From logits to scores, and what is said about them. */
#include "resnet18.h"

#include <math.h>

/* ---- Softmax -------------------------------------------------------------------------------------------- */

/* NaN if there is one. */
static float largest_of(const float *value, size_t count) {
  float largest = -INFINITY;
  for (size_t i = 0; i < count; i++) {
    if (isnan(value[i]))
      return value[i];
    largest = value[i] > largest ? value[i] : largest;
  }
  return largest;
}

void resnet18_softmax(const float *logits, size_t classes, float *scores) {
  const float largest = largest_of(logits, classes);
  double sum = 0.0;
  for (size_t i = 0; i < classes; i++) {
    /* Infinities have no difference; equal ones are alike. */
    scores[i] = isnan(largest) ? largest : logits[i] == largest ? 1.0f : expf(logits[i] - largest);
    sum += scores[i];
  }
  for (size_t i = 0; i < classes; i++)
    scores[i] = (float)(scores[i] / sum);
}

/* ---- Best classes --------------------------------------------------------------------------------------- */

/* The `best` array is a heap while it is filled, the worst class at its root. */
static bool worse(resnet18_class a, resnet18_class b) {
  return a.score < b.score || (a.score == b.score && a.index > b.index);
}

static void sift_up(resnet18_class *heap, size_t at) {
  while (at > 0 && worse(heap[at], heap[(at - 1) / 2])) {
    resnet18_class parent = heap[(at - 1) / 2];
    heap[(at - 1) / 2] = heap[at];
    heap[at] = parent;
    at = (at - 1) / 2;
  }
}

static void sift_down(resnet18_class *heap, size_t count) {
  for (size_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && worse(heap[child + 1], heap[child]))
      child++;
    if (!worse(heap[child], heap[at]))
      return;
    resnet18_class moved = heap[at];
    heap[at] = heap[child];
    heap[child] = moved;
  }
}

/* The worst goes to the end, again and again: best first. */
static void sort_heap(resnet18_class *heap, size_t count) {
  while (count > 1) {
    resnet18_class worst = heap[0];
    heap[0] = heap[--count];
    heap[count] = worst;
    sift_down(heap, count);
  }
}

size_t resnet18_top_k(const float *scores, size_t classes, size_t k, float threshold, resnet18_class *best) {
  size_t count = 0;
  for (size_t i = 0; i < classes && k > 0; i++) {
    resnet18_class candidate = {.index = (uint32_t)i, .score = scores[i]};
    if (!(candidate.score >= threshold)) /* NaN is not */
      continue;
    if (count < k) {
      best[count] = candidate;
      sift_up(best, count++);
    } else if (worse(best[0], candidate)) {
      best[0] = candidate;
      sift_down(best, count);
    }
  }
  sort_heap(best, count);
  return count;
}

/* ---- Uncertainty ---------------------------------------------------------------------------------------- */

float resnet18_uncertainty(const float *scores, size_t classes) {
  double entropy = 0.0;
  if (classes < 2)
    return 0.0f;
  for (size_t i = 0; i < classes; i++)
    if (!(scores[i] <= 0.0f)) /* p log p goes to 0 with p */
      entropy -= scores[i] * log((double)scores[i]);
  entropy /= log((double)classes);
  return (float)(entropy < 0.0 ? 0.0 : entropy > 1.0 ? 1.0 : entropy);
}
