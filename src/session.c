/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a plan: the forward pass. */
#include "session.h"
#include "blas.h"
#include "error.h"
#include "plan.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CACHE_LINE = 64, SHARE_PIECES = 4 };

/* How far one member's share of one step is done. */
struct share {
  _Alignas(CACHE_LINE) atomic_uint next;
};

struct resnet18_session {
  resnet18_model *model;
  const r18_packed *packed;
  r18_team *team;
  r18_plan plan;
  unsigned max_batch, last_batch;
  size_t mapping_bytes;
  unsigned char *arena; /* plan.arena_bytes, then a scratch for each thread, then the pictures of run_normalized */
  struct share
      *share; /* [steps][max_batch][threads]; those that take all pictures at once use the first of max_batch */
  r18_run run;
  bool profile;
  double seconds[R18_MAX_STEPS]; /* written by the caller's thread, as is `mark` */
  uint64_t mark;                 /* nanoseconds: when the step before was done by all */
  /* Nanoseconds: when the last thread was done with a step, for even and odd pictures: others than the caller's thread
   * may be one step ahead. */
  _Atomic uint64_t finished[R18_MAX_STEPS][2];
};

/* ---- Making one --------------------------------------------------------------------------------------- */

/* Without dot-product instructions int8 is slower than fp32 with Winograd (AVX2 on Zen 4: 18.7 against 16.4 ms). */
static bool has_fast_int8(void) {
  return (r18_cpu_sets() & (R18_CPU_AVX2VNNI | R18_CPU_AVX512VNNI | R18_CPU_DOTPROD)) != 0;
}

static resnet18_status decide_precision(const resnet18_model *model, resnet18_precision *precision,
                                        resnet18_error *error) {
  const bool floats = resnet18_model_supports(model, RESNET18_PRECISION_FP32);
  if (*precision == RESNET18_PRECISION_AUTO)
    *precision = !floats || (has_fast_int8() && resnet18_model_calibrated(model)) ? RESNET18_PRECISION_INT8
                                                                                  : RESNET18_PRECISION_FP32;
  if (*precision == RESNET18_PRECISION_FP32)
    return floats ? r18_ok(error)
                  : r18_fail(error, RESNET18_ERROR_UNSUPPORTED,
                             "%s: the weights are int8 only; fp32 needs those that they were made of",
                             resnet18_model_source(model));
  if (*precision != RESNET18_PRECISION_INT8)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "precision %d is unknown", (int)*precision);
  if (!resnet18_model_calibrated(model))
    return r18_fail(error, RESNET18_ERROR_UNSUPPORTED,
                    "%s has no int8 calibration; make one with 'resnet18 calibrate', or use fp32",
                    resnet18_model_source(model));
  return r18_ok(error);
}

static resnet18_status make_memory(resnet18_session *session, resnet18_error *error) {
  const unsigned threads = r18_team_threads(session->team);
  const r18_plan *plan = &session->plan;
  session->mapping_bytes =
      plan->arena_bytes + threads * plan->scratch_bytes + (size_t)session->max_batch * RESNET18_RGB_BYTES;
  session->arena = r18_map(session->mapping_bytes);
  if (!session->arena)
    return r18_fail_memory(error, session->mapping_bytes);
  const size_t shares = sizeof(struct share) * plan->steps * session->max_batch * threads;
  session->share = aligned_alloc(CACHE_LINE, shares);
  return session->share ? r18_ok(error) : r18_fail_memory(error, shares);
}

static resnet18_status check_options(const resnet18_session_options *options, resnet18_error *error) {
  if (options->max_batch > RESNET18_MAX_BATCH)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "max_batch is %u, must be at most %d", options->max_batch,
                    RESNET18_MAX_BATCH);
  return r18_ok(error);
}

static resnet18_status set_up(resnet18_session *session, const resnet18_session_options *options,
                              resnet18_error *error) {
  resnet18_precision precision = options->precision;
  resnet18_status status = check_options(options, error);
  if (!status)
    status = decide_precision(session->model, &precision, error);
  if (!status)
    status = r18_team_new(options->threads ? options->threads : resnet18_cpu_count(), &session->team, error);
  if (!status)
    status = r18_packed_get(session->model, precision, session->team, &session->packed, error);
  if (status)
    return status;
  session->max_batch = options->max_batch ? options->max_batch : 1;
  r18_plan_make(session->packed, session->max_batch, r18_team_threads(session->team),
                options->keep_layers ? R18_KEEP_LAYERS : R18_KEEP_LAST, &session->plan);
  return make_memory(session, error);
}

resnet18_status resnet18_session_new(resnet18_model *model, const resnet18_session_options *options,
                                     resnet18_session **out, resnet18_error *error) {
  static const resnet18_session_options defaults;
  *out = NULL;
  if (!model)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "a session needs a model");
  resnet18_session *session = calloc(1, sizeof *session);
  if (!session)
    return r18_fail_memory(error, sizeof *session);
  session->model = resnet18_model_ref(model);
  resnet18_status status = set_up(session, options ? options : &defaults, error);
  if (status) {
    resnet18_session_free(session);
    return status;
  }
  *out = session;
  return r18_ok(error);
}

void resnet18_session_free(resnet18_session *session) {
  if (!session)
    return;
  r18_team_free(session->team);
  r18_packed_put(session->model, session->packed);
  r18_unmap(session->arena, session->mapping_bytes);
  resnet18_model_unref(session->model);
  free(session->share);
  free(session);
}

/* ---- The forward pass --------------------------------------------------------------------------------- */

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Before a step's barrier: `finished` becomes the time at which the last thread comes here. */
static void note_finish(_Atomic uint64_t *finished) {
  const uint64_t time = now();
  uint64_t latest = atomic_load_explicit(finished, memory_order_relaxed);
  while (latest < time &&
         !atomic_compare_exchange_weak_explicit(finished, &latest, time, memory_order_relaxed, memory_order_relaxed)) {
  }
}

/* By the caller's thread, after the barrier. A step lasts from the end of the one before to its own, on whichever
 * thread that is: the caller's may lose its processor while the others do its work. */
static void add_seconds(resnet18_session *session, unsigned index, bool again, uint64_t finished) {
  session->seconds[index] = (again ? session->seconds[index] : 0.0) + 1e-9 * (double)(finished - session->mark);
  session->mark = finished;
}

/* The units of one step are shared out evenly, so that a thread finds in its cache what it wrote in the step before; a
 * member that is done takes pieces of the others' shares, so that a thread that lost its processor does not hold up
 * all. */
static void run_share(const r18_step *step, r18_run *run, struct share *share, unsigned begin, unsigned total,
                      unsigned owner, unsigned parts) {
  const unsigned first = begin + (unsigned)((uint64_t)total * owner / parts);
  const unsigned count = begin + (unsigned)((uint64_t)total * (owner + 1) / parts) - first;
  const unsigned piece = (count + SHARE_PIECES - 1) / SHARE_PIECES;
  for (;;) {
    const unsigned done = atomic_fetch_add_explicit(&share[owner].next, piece, memory_order_relaxed);
    if (done >= count)
      return;
    step->run(step, run, first + done, first + (count - done < piece ? count : done + piece));
    run->continues = true;
  }
}

/* Runs step `index` for pictures [image, image + images). */
static void run_step(resnet18_session *session, unsigned index, r18_run *run, unsigned image, unsigned images,
                     unsigned part, unsigned parts) {
  const r18_step *step = &session->plan.step[index];
  const unsigned first = step->spans_batch ? 0 : step->units * image;
  const unsigned total = step->spans_batch ? step->units : step->units * images;
  _Atomic uint64_t *finished = &session->finished[index][image % 2];
  run->continues = false;
  if (parts == 1) {
    step->run(step, run, first, first + total);
  } else {
    struct share *share = session->share + ((size_t)index * session->max_batch + image) * parts;
    for (unsigned i = 0; i < parts; i++)
      run_share(step, run, share, first, total, (part + i) % parts, parts);
  }
  if (session->profile)
    note_finish(finished);
  if (parts > 1)
    r18_team_barrier(session->team);
  if (session->profile && part == 0)
    add_seconds(session, index, image > 0, atomic_load_explicit(finished, memory_order_relaxed));
}

/* The first layers, whose tensors are large and whose weights stay near, run picture by picture; from the first step on
 * that takes all pictures at once, so that it reads its weights once, each step runs for all of them. */
static void run_steps(void *data, unsigned part, unsigned parts) {
  resnet18_session *session = data;
  const r18_plan *plan = &session->plan;
  r18_run run = session->run;
  run.scratch = session->arena + plan->arena_bytes + part * plan->scratch_bytes;
  const unsigned begin = run.rgb || !plan->normalized.element ? 0 : 1;
  unsigned apart = begin;
  while (apart < plan->steps && !plan->step[apart].spans_batch)
    apart++;
  for (unsigned image = 0; image < run.batch; image++)
    for (unsigned i = begin; i < apart; i++)
      run_step(session, i, &run, image, 1, part, parts);
  for (unsigned i = apart; i < plan->steps; i++)
    run_step(session, i, &run, 0, run.batch, part, parts);
}

static void forward(resnet18_session *session, const uint8_t *rgb, size_t batch, float *logits) {
  const unsigned shares = session->plan.steps * session->max_batch * r18_team_threads(session->team);
  for (unsigned i = 0; i < shares; i++)
    atomic_store_explicit(&session->share[i].next, 0, memory_order_relaxed);
  session->run = (r18_run){.arena = session->arena, .batch = (unsigned)batch, .rgb = rgb, .logits = logits};
  session->last_batch = (unsigned)batch;
  session->mark = session->profile ? now() : 0;
  r18_team_run(session->team, run_steps, session);
}

static resnet18_status check_batch(const resnet18_session *session, size_t batch, resnet18_error *error) {
  if (batch < 1 || batch > session->max_batch)
    return r18_fail(error, RESNET18_ERROR_ARGUMENT, "batch is %zu, must be 1 to %u", batch, session->max_batch);
  return r18_ok(error);
}

resnet18_status resnet18_session_run(resnet18_session *session, const uint8_t *rgb, size_t batch, float *logits,
                                     resnet18_error *error) {
  resnet18_status status = check_batch(session, batch, error);
  if (!status)
    forward(session, rgb, batch, logits);
  return status;
}

/* ---- Normalised input --------------------------------------------------------------------------------- */

static void store_floats(resnet18_session *session, const float *nchw, unsigned image) {
  const size_t plane = (size_t)RESNET18_SIZE * RESNET18_SIZE;
  const r18_run run = {.arena = session->arena};
  for (unsigned y = 0; y < RESNET18_SIZE; y++) {
    float *out = r18_at_f32(&run, &session->plan.normalized, image, (int)y, 0);
    for (unsigned x = 0; x < RESNET18_SIZE; x++)
      for (unsigned c = 0; c < 3; c++)
        out[3 * x + c] = nchw[(size_t)image * 3 * plane + c * plane + (size_t)y * RESNET18_SIZE + x];
  }
}

static uint8_t to_byte(float normalized, unsigned c) {
  const float value = (normalized * r18_std[c] + r18_mean[c]) * 255.0f;
  /* NOLINTNEXTLINE(bugprone-incorrect-roundings): of what is below 255 a float holds the halves exactly */
  return value >= 254.5f ? 255 : value > 0.0f ? (uint8_t)(value + 0.5f) : 0; /* NaN -> 0 */
}

static void store_bytes(const float *nchw, uint8_t *rgb) {
  const size_t plane = (size_t)RESNET18_SIZE * RESNET18_SIZE;
  for (size_t i = 0; i < plane; i++)
    for (unsigned c = 0; c < 3; c++)
      rgb[3 * i + c] = to_byte(nchw[c * plane + i], c);
}

resnet18_status resnet18_session_run_normalized(resnet18_session *session, const float *nchw, size_t batch,
                                                float *logits, resnet18_error *error) {
  resnet18_status status = check_batch(session, batch, error);
  if (status)
    return status;
  const bool floats = session->plan.normalized.element != 0;
  uint8_t *rgb =
      session->arena + session->plan.arena_bytes + r18_team_threads(session->team) * session->plan.scratch_bytes;
  for (unsigned i = 0; i < batch; i++) {
    if (floats)
      store_floats(session, nchw, i);
    else
      store_bytes(nchw + (size_t)i * RESNET18_RGB_BYTES, rgb + (size_t)i * RESNET18_RGB_BYTES);
  }
  forward(session, floats ? NULL : rgb, batch, logits);
  return status;
}

/* ---- What the last run left --------------------------------------------------------------------------- */

const float *resnet18_session_features(const resnet18_session *session, size_t image) {
  const r18_run run = {.arena = session->arena};
  return image < session->last_batch ? r18_at_f32(&run, &session->plan.features, (unsigned)image, 0, 0) : NULL;
}

bool resnet18_session_layer(const resnet18_session *session, resnet18_layer layer, size_t image, float *hwc) {
  if ((unsigned)layer >= R18_LAYERS || image >= session->last_batch || !session->plan.layer[layer].element)
    return false;
  const r18_place *place = &session->plan.layer[layer];
  const r18_run run = {.arena = session->arena};
  const size_t row = (size_t)place->width * place->channels;
  for (unsigned y = 0; y < place->height; y++) {
    const unsigned char *in = r18_at(&run, place, (unsigned)image, (int)y, 0);
    for (size_t i = 0; i < row; i++)
      hwc[y * row + i] = place->element == 1 ? place->scale * (float)in[i] : ((const float *)(const void *)in)[i];
  }
  return true;
}

const r18_place *r18_session_conv_out(const resnet18_session *session, unsigned index, r18_run *run) {
  *run = (r18_run){.arena = session->arena};
  return &session->plan.conv_out[index];
}

/* ---- What it is --------------------------------------------------------------------------------------- */

resnet18_precision resnet18_session_precision(const resnet18_session *session) {
  return session->packed->precision;
}

unsigned resnet18_session_threads(const resnet18_session *session) {
  return r18_team_threads(session->team);
}

static r18_cpu_set best_set(const resnet18_session *session) {
  r18_cpu_set best = R18_CPU_C;
  for (unsigned i = 0; i < session->plan.steps; i++)
    if (session->plan.step[i].set > best)
      best = session->plan.step[i].set;
  return best;
}

const char *resnet18_session_kernels(const resnet18_session *session) {
  return r18_cpu_set_name(best_set(session));
}

const char *resnet18_session_warning(const resnet18_session *session) {
  const bool wants_blas = session->packed->precision == RESNET18_PRECISION_FP32 && best_set(session) == R18_CPU_C &&
                          (r18_cpu_sets() & R18_CPU_BLAS);
  return wants_blas ? r18_blas_state() : "";
}

size_t resnet18_session_steps(const resnet18_session *session) {
  return session->plan.steps;
}

bool resnet18_session_step(const resnet18_session *session, size_t index, resnet18_step_info *info) {
  if (index >= session->plan.steps)
    return false;
  const r18_step *step = &session->plan.step[index];
  *info = (resnet18_step_info){
      .name = step->name,
      .kernel = step->kernel,
      .set = r18_cpu_set_name(step->set),
      .height = step->out.height,
      .width = step->out.width,
      .channels = step->out.channels,
      .flop = step->flop,
      .weight_bytes = step->weight_bytes,
      .seconds = session->seconds[index],
  };
  return true;
}

void resnet18_session_profile(resnet18_session *session, bool on) {
  session->profile = on;
}
