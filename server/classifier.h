/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forward passes: a bounded number of pictures, and as many threads as the processor has for them. */
#ifndef RESNET18_SERVER_CLASSIFIER_H
#define RESNET18_SERVER_CLASSIFIER_H

#include "job.h"
#include "settings.h"

typedef struct classifier classifier;

/* Loads the model and the labels. NULL after a sentence on standard error. */
classifier *classifier_new(const settings *s);
/* What waits, and all that comes after this, is answered 503. */
void classifier_stop(classifier *c);
void classifier_free(classifier *c);

/* Room for `count` pictures; false when too many wait or are worked on. What was admitted is given back with
 * classifier_leave, before its answer. */
bool classifier_admit(classifier *c, unsigned count);
void classifier_leave(classifier *c, unsigned count);

/* Takes a job with `rgb` or `nchw`. */
void classifier_push(classifier *c, job *j);

resnet18_model *classifier_model(const classifier *c);
resnet18_labels *classifier_labels(const classifier *c);
const guint8 *classifier_groups(const classifier *c); /* gst/groups.h */
size_t classifier_classes(const classifier *c);
const char *classifier_precision(const classifier *c); /* "fp32", "int8" */
const char *classifier_kernels(const classifier *c);
unsigned classifier_threads(const classifier *c);
/* Pictures admitted, and how many may be. */
unsigned classifier_load(classifier *c);
unsigned classifier_room(const classifier *c);

#endif
