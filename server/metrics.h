/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is counted, as Prometheus reads it. Times are in seconds. All may be called from any thread. */
#ifndef RESNET18_SERVER_METRICS_H
#define RESNET18_SERVER_METRICS_H

#include <glib.h>

/* `route`: the path of the table, "" for none; `status` 0 = the client went away, or was cut. */
void metrics_request(const char *route, const char *method, unsigned status, double seconds);
void metrics_decode(double seconds);
void metrics_inference(double seconds, unsigned batch);
/* From decoded to the forward pass. */
void metrics_wait(double seconds);
/* `why`: "late", "killed" or "crashed". */
void metrics_decoder_ended(const char *why);

/* Everything that was counted, in the text format 0.0.4; appended. */
void metrics_append(GString *text);
/* One number more, with its lines HELP and TYPE. `labels` may be NULL. */
void metrics_append_one(GString *text, const char *name, const char *type, const char *help, const char *labels,
                        double value);

/* The lines HELP and TYPE; a number and the end of its line. */
void metrics_append_head(GString *text, const char *name, const char *type, const char *help);
void metrics_append_number(GString *text, double value);

#endif
