/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One picture on its way through the server: encoded bytes -> 224x224 RGB (decoder.h) -> logits (classifier.h). */
#ifndef RESNET18_SERVER_JOB_H
#define RESNET18_SERVER_JOB_H

#include "encoded.h"
#include "resnet18.h"

#include <glib.h>

enum { JOB_REASON = 256 };

typedef struct job job;
struct job {
  job *next; /* in a queue */

  /* In: encoded bytes, which stay where they are until `done`; or `rgb` filled in; or `nchw`, normalised floats. */
  encoded_kind kind;
  const uint8_t *encoded;
  size_t size;
  float *nchw; /* 3 x 224 x 224, the job's own, to be freed with g_free; NULL = `rgb` */
  bool want_cam, want_features;
  int cam_class; /* -1 = the best one */

  /* Called once, on a thread of the decoder or the classifier. `status` is 200, or the HTTP status that `reason`, a
   * sentence, goes with. The job is the callee's again. */
  void (*done)(job *j);
  void *user;

  /* Out. */
  unsigned status;
  char reason[JOB_REASON];
  unsigned width, height; /* of the decoded picture, upright */
  float *scores;          /* the model's classes: softmax of the logits */
  float *logits;
  float *features; /* RESNET18_FEATURES numbers, or NULL */
  float *cam;      /* 49 numbers, or NULL */
  uint32_t cam_of;
  gint64 submitted, decoded; /* monotonic, in microseconds */
  gint64 inference_time;     /* nanoseconds of the forward pass */

  uint8_t *rgb; /* RESNET18_RGB_BYTES, once decoded */
};

/* All zero but for `cam_class`. */
job *job_new(void);
void job_free(job *j);

/* Sets the outcome and calls `done`. */
void job_fail(job *j, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Jobs in order. */
typedef struct {
  job *first, **last;
  unsigned length;
} job_queue;
void job_queue_init(job_queue *q);
void job_queue_push(job_queue *q, job *j);
job *job_queue_pop(job_queue *q);

#endif
