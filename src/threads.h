/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker team inside one forward pass. */
#ifndef RESNET18_THREADS_H
#define RESNET18_THREADS_H

#include "resnet18.h"

typedef struct r18_team r18_team;

/* Part `part` of `parts` of a job; part 0 runs on the calling thread. */
typedef void (*r18_team_job)(void *data, unsigned part, unsigned parts);

/* A team of `threads` (1..64), the caller included. Workers spin for a moment after a job, then sleep. */
resnet18_status r18_team_new(unsigned threads, r18_team **team, resnet18_error *error);
void r18_team_free(r18_team *team);
unsigned r18_team_threads(const r18_team *team);

/* Runs the job on all members and returns when all have returned. One caller at a time. */
void r18_team_run(r18_team *team, r18_team_job job, void *data);

/* Inside a job: waits until every member is here. What was written before is visible to all after it. */
void r18_team_barrier(r18_team *team);

#endif
