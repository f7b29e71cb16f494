/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found in a picture, as JSON in the shape of the element's results. */
#ifndef RESNET18_SERVER_ANSWER_H
#define RESNET18_SERVER_ANSWER_H

#include "classifier.h"

#include <jansson.h>

enum { ANSWER_MAX_TOP_K = 1000 };

typedef struct {
  unsigned top_k;
  float threshold;
  bool groups;
} answer_options;

/* Of a job that is done with status 200. */
json_t *answer_json(const classifier *c, const job *j, const answer_options *options);

#endif
