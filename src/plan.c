/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The planner: ResNet-18 as a list of steps.
 *
 * Each stage of the network (one size of picture) has three tensors in the arena: `even` and `odd`, which the blocks
 * write in turn, and `inner`, what lies between a block's two convolutions. Stages do not share memory: a tensor's halo
 * of zeros is made once and stays, and all stages together are small beside the weights. */
#include "plan.h"

#include <assert.h>

enum { ALIGNMENT = 64, ARENA_SLACK = 256 };

struct planner {
  const r18_packed *packed;
  unsigned max_batch, threads;
  r18_keep keep;
  r18_plan *plan;
  r18_place work; /* shared by all steps that hand something to the next one */
};

static size_t aligned(size_t bytes) {
  return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static r18_place new_place(struct planner *p, unsigned size, unsigned channels, unsigned halo, unsigned element) {
  r18_place place = {
      .offset = p->plan->arena_bytes,
      .height = size,
      .width = size,
      .channels = channels,
      .halo = halo,
      .element = element,
      .row = (size_t)(size + 2 * halo) * channels * element,
      .scale = 1.0f,
  };
  place.image = aligned(place.row * (size + 2 * halo));
  p->plan->arena_bytes += place.image * p->max_batch;
  return place;
}

static r18_step *new_step(struct planner *p, const char *name, r18_place in, r18_place out) {
  assert(p->plan->steps < R18_MAX_STEPS);
  r18_step *step = &p->plan->step[p->plan->steps++];
  *step = (r18_step){.name = name, .in = in, .out = out, .max_batch = p->max_batch};
  return step;
}

static const r18_plain_kernel *first_allowed(const r18_plain_kernel *const *kernel) {
  while ((*kernel)->set != R18_CPU_C && !(r18_cpu_sets() & (*kernel)->set))
    kernel++;
  return *kernel;
}

static r18_step *new_plain_step(struct planner *p, const char *name, const r18_plain_kernel *const *kernels,
                                r18_place in, r18_place out, unsigned units) {
  const r18_plain_kernel *kernel = first_allowed(kernels);
  r18_step *step = new_step(p, name, in, out);
  step->kernel = kernel->name;
  step->set = kernel->set;
  step->run = kernel->run;
  step->units = units;
  return step;
}

static void use_scratch(struct planner *p, r18_step *step, size_t bytes) {
  step->scratch = bytes;
  if (bytes > p->plan->scratch_bytes)
    p->plan->scratch_bytes = bytes;
}

/* ---- Convolutions ------------------------------------------------------------------------------------- */

static double conv_flop(const r18_conv *conv) {
  return 2.0 * conv->out_size * conv->out_size * conv->out_channels * conv->in_channels * conv->kernel * conv->kernel;
}

static void fill_conv_step(struct planner *p, r18_step *step, const r18_packed_conv *packed, const r18_conv *conv) {
  const r18_conv_kernel *kernel = packed->kernel;
  step->kernel = kernel->name;
  step->set = kernel->set;
  step->weights = packed->weights;
  step->kernel_size = conv->kernel;
  step->stride = conv->stride;
  step->pad = conv->pad;
  step->relu = conv->relu;
  use_scratch(p, step, kernel->scratch_bytes ? kernel->scratch_bytes(conv) : 0);
}

static void add_prepare(struct planner *p, const r18_packed_conv *packed, const r18_conv *conv, const char *name,
                        r18_place in, r18_place out) {
  r18_step *step = new_step(p, name, in, out);
  fill_conv_step(p, step, packed, conv);
  step->run = packed->kernel->prepare;
  step->units = packed->kernel->prepare_units(conv);
  step->work = p->work;
}

/* Adds convolution `index` of r18_convs, with its prepare step where the kernel has one. */
static void add_conv(struct planner *p, unsigned index, r18_place in, r18_place residual, r18_place out) {
  const r18_packed_conv *packed = &p->packed->conv[index];
  const char *name = r18_convs[index].name;
  r18_conv conv = packed->conv;
  conv.max_batch = p->max_batch;
  conv.threads = p->threads;
  if (packed->kernel->prepare)
    add_prepare(p, packed, &conv, name, in, out);
  r18_step *step = new_step(p, name, in, out);
  fill_conv_step(p, step, packed, &conv);
  step->run = packed->kernel->run;
  step->units = packed->kernel->units(&conv);
  step->spans_batch = packed->kernel->spans_batch;
  step->residual = residual;
  if (packed->kernel->prepare)
    step->work = p->work;
  step->weight_bytes = packed->bytes;
  step->flop = conv_flop(&conv);
  p->plan->conv_out[index] = out;
}

/* The scale with which convolution `index` writes its output. */
static r18_place scaled_for(const struct planner *p, unsigned index, r18_place place) {
  if (place.element == 1) {
    place.scale = p->packed->conv[index].conv.out_scale;
    place.zero = p->packed->conv[index].conv.out_zero;
  }
  return place;
}

static r18_place conv_place(struct planner *p, unsigned index) {
  const r18_packed_conv *packed = &p->packed->conv[index];
  r18_place place = new_place(p, packed->conv.out_size, packed->conv.out_channels, 1, packed->kernel->element);
  return scaled_for(p, index, place);
}

/* ---- The network -------------------------------------------------------------------------------------- */

enum { STEM_SIZE = RESNET18_SIZE / 2, STAGE1_SIZE = RESNET18_SIZE / 4, STEM_HALO = 3 };

static r18_place stem(struct planner *p) {
  const r18_packed_conv *conv1 = &p->packed->conv[0];
  r18_place in = {0}, none = {0};
  if (!conv1->kernel->reads_rgb) {
    in = new_place(p, RESNET18_SIZE, 3, STEM_HALO, sizeof(float));
    p->plan->normalized = in;
    new_plain_step(p, "normalize", r18_normalize_kernels, none, in, RESNET18_SIZE);
  }
  r18_place pooled = scaled_for(p, 0, new_place(p, STAGE1_SIZE, conv1->conv.out_channels, 1, conv1->kernel->element));
  if (conv1->kernel->fuses_maxpool) {
    add_conv(p, 0, in, none, pooled);
  } else {
    r18_place full = new_place(p, STEM_SIZE, conv1->conv.out_channels, 0, sizeof(float));
    add_conv(p, 0, in, none, full);
    r18_step *pool = new_plain_step(p, "maxpool", r18_maxpool_kernels_f32, full, pooled, STAGE1_SIZE);
    pool->kernel_size = 3;
    pool->stride = 2;
    pool->pad = 1;
  }
  p->plan->conv_out[0] = pooled;
  return pooled;
}

static bool downsamples(unsigned first) {
  return first + 2 < R18_CONVS && r18_convs[first + 2].kernel == 1;
}

/* A block: r18_convs[first] and the one after it, then downsample.0 where the size changes. `inner` and `spare` are the
 * stage's places that may be written; they change where new ones are needed. */
static r18_place block(struct planner *p, unsigned first, r18_place in, r18_place *inner, r18_place *spare) {
  const bool fresh = p->keep == R18_KEEP_LAYERS || downsamples(first);
  if (fresh || !inner->element)
    *inner = conv_place(p, first);
  if (fresh || !spare->element)
    *spare = conv_place(p, first + 1);
  const r18_place none = {0}, within = scaled_for(p, first, *inner), out = scaled_for(p, first + 1, *spare);
  r18_place residual = in;
  add_conv(p, first, in, none, within);
  if (downsamples(first)) {
    residual = conv_place(p, first + 2);
    add_conv(p, first + 2, in, none, residual);
  }
  add_conv(p, first + 1, within, residual, out);
  *spare = residual; /* nobody reads it any more */
  return out;
}

static r18_place stages(struct planner *p, r18_place x) {
  r18_place inner = {0}, spare = {0};
  unsigned index = 1;
  const bool keep = p->keep == R18_KEEP_LAYERS;
  if (keep)
    p->plan->layer[RESNET18_LAYER_MAXPOOL] = x;
  for (unsigned layer = RESNET18_LAYER_1; layer < R18_LAYERS; layer++) {
    for (unsigned b = 0; b < 2; b++) {
      const unsigned convs = downsamples(index) ? 3 : 2;
      x = block(p, index, x, &inner, &spare);
      index += convs;
    }
    if (layer == RESNET18_LAYER_4 || keep)
      p->plan->layer[layer] = x;
  }
  return x;
}

static void head(struct planner *p, r18_place x) {
  enum { POOL_CHANNELS = 64 };
  r18_place features = new_place(p, 1, RESNET18_FEATURES, 0, sizeof(float)), none = {0};
  new_plain_step(p, "avgpool", x.element == 1 ? r18_avgpool_kernels_u8 : r18_avgpool_kernels_f32, x, features,
                 RESNET18_FEATURES / POOL_CHANNELS);
  r18_step *linear = new_plain_step(p, "fc", r18_linear_kernels, features, none,
                                    (p->packed->classes + R18_LINEAR_GROUP - 1) / R18_LINEAR_GROUP);
  linear->spans_batch = true;
  linear->weights = p->packed->linear;
  linear->weight_bytes = p->packed->linear_bytes;
  linear->classes = p->packed->classes;
  linear->out.channels = p->packed->classes;
  linear->out.height = linear->out.width = 1;
  linear->flop = 2.0 * RESNET18_FEATURES * p->packed->classes;
  p->plan->features = features;
}

static r18_place work_place(struct planner *p) {
  size_t most = 0;
  for (unsigned i = 0; i < R18_CONVS; i++) {
    const r18_packed_conv *packed = &p->packed->conv[i];
    size_t bytes = packed->kernel->work_bytes ? packed->kernel->work_bytes(&packed->conv) : 0;
    most = bytes > most ? bytes : most;
  }
  return most ? new_place(p, 1, (unsigned)most, 0, 1) : (r18_place){0};
}

void r18_plan_make(const r18_packed *packed, unsigned max_batch, unsigned threads, r18_keep keep, r18_plan *plan) {
  *plan = (r18_plan){0};
  struct planner p = {.packed = packed, .max_batch = max_batch, .threads = threads, .keep = keep, .plan = plan};
  p.work = work_place(&p);
  head(&p, stages(&p, stem(&p)));
  plan->scratch_bytes = aligned(plan->scratch_bytes);
  plan->arena_bytes = aligned(plan->arena_bytes + ARENA_SLACK);
}
