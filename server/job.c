/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One picture on its way through the server. */
#include "job.h"

job *job_new(void) {
  job *j = g_new0(job, 1);
  j->cam_class = -1;
  return j;
}

void job_free(job *j) {
  if (j == NULL)
    return;
  g_free(j->nchw);
  g_free(j->rgb);
  g_free(j->scores);
  g_free(j->logits);
  g_free(j->features);
  g_free(j->cam);
  g_free(j);
}

void job_fail(job *j, unsigned status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  j->status = status;
  g_vsnprintf(j->reason, sizeof j->reason, format, arguments);
  va_end(arguments);
  j->done(j);
}

void job_queue_init(job_queue *q) {
  *q = (job_queue){.last = &q->first};
}

void job_queue_push(job_queue *q, job *j) {
  j->next = NULL;
  *q->last = j;
  q->last = &j->next;
  q->length++;
}

job *job_queue_pop(job_queue *q) {
  job *j = q->first;
  if (j == NULL)
    return NULL;
  q->first = j->next;
  if (q->first == NULL)
    q->last = &q->first;
  q->length--;
  return j;
}
