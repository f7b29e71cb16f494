/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the KServe v2 protocol says of the models, and its answers: numbers in, bytes out. Knows nothing of HTTP. */
#ifndef RESNET18_KSERVE_ANSWER_H
#define RESNET18_KSERVE_ANSWER_H

#include <glib.h>
#include <jansson.h>

#include "kserve_request.h"
#include "resnet18.h"

/* What the network says of `pictures`, one after the other. */
typedef struct {
  const float *logits;   /* `classes` each */
  const float *features; /* RESNET18_FEATURES each */
  size_t classes;
} kserve_result;

/* The answer to `request`, or NULL with a sentence in `reason` where JSON cannot carry it. *json_length: bytes of the
 * JSON at its beginning where binary tensors follow, else 0. */
GByteArray *kserve_answer(const kserve_request *request, const kserve_result *result, const resnet18_labels *labels,
                          size_t *json_length, char reason[static 256]);

/* Facts of the running model, for the metadata. */
typedef struct {
  const char *source;    /* of the weights */
  const char *precision; /* "int8", "fp32" */
  const char *kernels;   /* instruction set */
  size_t classes, max_pictures;
} kserve_facts;

json_t *kserve_server_metadata(void);
json_t *kserve_model_metadata(const kserve_model *model, const kserve_facts *facts);
/* As Triton's model configuration extension says it. */
json_t *kserve_model_config(const kserve_model *model, const kserve_facts *facts);

#endif
