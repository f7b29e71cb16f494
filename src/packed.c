/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Choice of kernels, and packing of the weights for them. */
#include "packed.h"

#include "calibration.h"
#include "error.h"
#include "quantized.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

static size_t aligned(size_t bytes) {
  return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static size_t mapping_bytes(size_t bytes) {
  return (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

unsigned char *r18_map(size_t bytes) {
  /* Huge pages need their alignment: map one more and cut what is outside. */
  const size_t size = mapping_bytes(bytes);
  unsigned char *whole = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED)
    return NULL;
  size_t before = (HUGE_PAGE - (uintptr_t)whole % HUGE_PAGE) % HUGE_PAGE;
  if (before)
    munmap(whole, before);
  munmap(whole + before + size, HUGE_PAGE - before);
  /* The last, partly used huge page stays small pages so that no memory is touched for nothing. */
  madvise(whole + before, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
  return whole + before;
}

void r18_unmap(unsigned char *block, size_t bytes) {
  if (block)
    munmap(block, mapping_bytes(bytes));
}

/* The convolution whose output is added to that of `index`, or -1: a block's input or its downsample. */
static bool has_residual(unsigned index) {
  const char *name = r18_convs[index].name;
  return index > 0 && strcmp(name + strlen(name) - 5, "conv2") == 0;
}

static bool is_downsample(unsigned index) {
  return r18_convs[index].kernel == 1;
}

static r18_conv describe(unsigned index, unsigned threads) {
  const r18_conv_shape *shape = &r18_convs[index];
  return (r18_conv){
      .in_size = shape->in_size,
      .in_channels = shape->in_channels,
      .out_size = shape->out_size,
      .out_channels = shape->out_channels,
      .kernel = shape->kernel,
      .stride = shape->stride,
      .pad = shape->pad,
      .relu = !is_downsample(index),
      .residual = has_residual(index),
      .max_batch = 1,
      .threads = threads,
  };
}

/* Of each layer there is a plain kernel at the end of the table, which takes it in any case. */
static void choose(const resnet18_model *model, r18_packed *packed, unsigned index, unsigned threads) {
  r18_packed_conv *chosen = &packed->conv[index];
  chosen->conv = describe(index, threads);
  if (packed->precision == RESNET18_PRECISION_INT8)
    r18_calibration_apply(r18_model_calibration(model), index, &chosen->conv);
  const r18_conv_kernel *const *kernel =
      packed->precision == RESNET18_PRECISION_INT8 ? r18_conv_kernels_u8 : r18_conv_kernels_f32;
  const bool int8 = packed->precision == RESNET18_PRECISION_INT8;
  for (;; kernel++) {
    const bool allowed = (*kernel)->set == R18_CPU_C || (r18_cpu_sets() & (*kernel)->set);
    /* The same form of weights everywhere, so that results do not depend on the processor or on who quantised. */
    const bool fits = !int8 || (*kernel)->positions == r18_has_positions(index);
    if (allowed && fits && (*kernel)->accepts(&chosen->conv)) {
      chosen->kernel = *kernel;
      chosen->bytes = (*kernel)->packed_bytes(&chosen->conv);
      return;
    }
  }
}

/* ---- Packing ------------------------------------------------------------------------------------------ */

/* One piece of work: a group of output channels of a convolution, or a group of classes of the last layer. Every member
 * of the team takes the next one. */
struct packing {
  const resnet18_model *model;
  r18_packed *packed;
  atomic_uint next, failed;
  unsigned pieces;
  atomic_uint left[R18_CONVS + 1]; /* groups to do before the file's pages can go */
};

static unsigned groups_of(const r18_packed *packed, unsigned index) {
  if (index == R18_CONVS)
    return (packed->classes + R18_LINEAR_GROUP - 1) / R18_LINEAR_GROUP;
  return r18_convs[index].out_channels / R18_PACK_GROUP;
}

static void pack_quantized_group(const r18_packed_conv *conv, const r18_quantized *quantized, unsigned index,
                                 unsigned first) {
  r18_group_floats floats;
  const r18_int8_group group = r18_quantized_group(quantized, index, first, &floats);
  conv->kernel->pack_int8(&conv->conv, first, &group, (void *)(uintptr_t)conv->weights);
}

static bool pack_conv_group(struct packing *job, unsigned index, unsigned group) {
  const r18_packed_conv *conv = &job->packed->conv[index];
  const r18_conv_shape *shape = &r18_convs[index];
  const size_t count = (size_t)R18_PACK_GROUP * shape->in_channels * shape->kernel * shape->kernel;
  const unsigned first = group * R18_PACK_GROUP;
  const r18_quantized *quantized = r18_model_quantized(job->model);
  if (quantized && conv->kernel->pack_int8) {
    pack_quantized_group(conv, quantized, index, first);
    return true;
  }
  float *weights = malloc(sizeof *weights * count), bias[R18_PACK_GROUP];
  if (!weights)
    return false;
  r18_model_conv(job->model, index, first, R18_PACK_GROUP, weights, bias);
  bool good = r18_pack_floats(conv->kernel, &conv->conv, first, weights, bias, (void *)(uintptr_t)conv->weights);
  free(weights);
  return good;
}

static bool pack_linear_group(struct packing *job, unsigned group) {
  const r18_packed *packed = job->packed;
  const unsigned first = group * R18_LINEAR_GROUP;
  const unsigned count = packed->classes - first < R18_LINEAR_GROUP ? packed->classes - first : R18_LINEAR_GROUP;
  float *rows = malloc(sizeof *rows * R18_LINEAR_GROUP * RESNET18_FEATURES);
  if (!rows)
    return false;
  float *out = (float *)(uintptr_t)packed->linear + (size_t)group * R18_LINEAR_GROUP * (RESNET18_FEATURES + 1);
  r18_model_linear(job->model, first, count, rows, out + (size_t)RESNET18_FEATURES * R18_LINEAR_GROUP);
  for (unsigned c = 0; c < count; c++)
    for (unsigned i = 0; i < RESNET18_FEATURES; i++)
      out[i * R18_LINEAR_GROUP + c] = rows[c * RESNET18_FEATURES + i];
  free(rows);
  return true;
}

static void pack_pieces(void *data, unsigned part, unsigned parts) {
  struct packing *job = data;
  unsigned piece;
  while ((piece = atomic_fetch_add(&job->next, 1)) < job->pieces && !job->failed) {
    unsigned index = 0, group = piece;
    while (group >= groups_of(job->packed, index))
      group -= groups_of(job->packed, index++);
    if (!(index == R18_CONVS ? pack_linear_group(job, group) : pack_conv_group(job, index, group)))
      job->failed = 1;
    if (atomic_fetch_sub(&job->left[index], 1) == 1)
      r18_model_release(job->model, index);
  }
}

static resnet18_status pack(const resnet18_model *model, r18_packed *packed, r18_team *team, resnet18_error *error) {
  struct packing job = {.model = model, .packed = packed};
  for (unsigned i = 0; i <= R18_CONVS; i++) {
    job.left[i] = groups_of(packed, i);
    job.pieces += groups_of(packed, i);
  }
  r18_team_run(team, pack_pieces, &job);
  return job.failed ? r18_fail(error, RESNET18_ERROR_MEMORY, "out of memory while the weights were packed")
                    : r18_ok(error);
}

static resnet18_status place_in_block(r18_packed *packed, resnet18_error *error) {
  size_t used = 0, offset[R18_CONVS];
  for (unsigned i = 0; i < R18_CONVS; i++) {
    offset[i] = used;
    used += aligned(packed->conv[i].bytes);
  }
  packed->linear_bytes =
      sizeof(float) * groups_of(packed, R18_CONVS) * R18_LINEAR_GROUP * (size_t)(RESNET18_FEATURES + 1);
  packed->block_bytes = used + packed->linear_bytes;
  packed->block = r18_map(packed->block_bytes);
  if (!packed->block)
    return r18_fail_memory(error, packed->block_bytes);
  for (unsigned i = 0; i < R18_CONVS; i++)
    packed->conv[i].weights = packed->block + offset[i];
  packed->linear = packed->block + used;
  return RESNET18_OK;
}

static void free_packed(r18_packed *packed) {
  if (packed)
    r18_unmap(packed->block, packed->block_bytes);
  free(packed);
}

static resnet18_status new_packed(resnet18_model *model, resnet18_precision precision, r18_team *team, r18_packed **out,
                                  resnet18_error *error) {
  r18_packed *packed = calloc(1, sizeof *packed);
  if (!packed)
    return r18_fail_memory(error, sizeof *packed);
  packed->users = 1;
  packed->precision = precision;
  packed->classes = (unsigned)resnet18_model_classes(model);
  resnet18_status status = r18_model_check(model, precision, error);
  for (unsigned i = 0; i < R18_CONVS && !status; i++)
    choose(model, packed, i, r18_team_threads(team));
  if (!status)
    status = place_in_block(packed, error);
  if (!status)
    status = pack(model, packed, team, error);
  if (status) {
    free_packed(packed);
    return status;
  }
  *out = packed;
  return r18_ok(error);
}

resnet18_status r18_packed_get(resnet18_model *model, resnet18_precision precision, r18_team *team,
                               const r18_packed **out, resnet18_error *error) {
  /* The lock is held while packing: a second session of the same model waits for the first one's weights instead of
   * making its own. */
  r18_packed_slots *slots = r18_model_lock_packed(model);
  r18_packed *packed = slots->packed[precision];
  resnet18_status status = RESNET18_OK;
  if (packed)
    packed->users++;
  else
    status = new_packed(model, precision, team, &packed, error);
  if (!status)
    slots->packed[precision] = packed;
  r18_model_unlock_packed(model);
  *out = packed;
  return status;
}

void r18_packed_put(resnet18_model *model, const r18_packed *shared) {
  if (!shared)
    return;
  r18_packed_slots *slots = r18_model_lock_packed(model);
  r18_packed *packed = slots->packed[shared->precision];
  const bool last = --packed->users == 0;
  if (last)
    slots->packed[shared->precision] = NULL;
  r18_model_unlock_packed(model);
  if (last)
    free_packed(packed);
}
