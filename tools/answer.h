/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's scores of one picture -> what is reported about it. */
#ifndef RESNET18_TOOLS_ANSWER_H
#define RESNET18_TOOLS_ANSWER_H

#include "engine.h"
#include "report.h"

enum { ANSWER_MAX_TOP_K = 1000 };

typedef struct {
  int top_k;
  double threshold;
} answer_options;

/* Fills in what e->scores (probabilities) say. `best` has room for top_k classes and lives as long as *r is used. */
void answer_fill(const engine *e, const answer_options *options, resnet18_class *best, report *r);

/* One forward pass of `rgb`, then answer_fill. False after a sentence. */
bool answer_picture(engine *e, const uint8_t *rgb, const answer_options *options, resnet18_class *best, report *r);

#endif
