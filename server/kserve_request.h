/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inference requests of the KServe v2 protocol, with the extensions for binary tensors and classification: bytes in, a
 * checked request out. Knows nothing of HTTP. */
#ifndef RESNET18_KSERVE_REQUEST_H
#define RESNET18_KSERVE_REQUEST_H

#include "kserve_numbers.h"

/* Tensors that a model gives. */
typedef enum { KSERVE_LOGITS, KSERVE_FEATURES, KSERVE_OUTPUTS } kserve_output_kind;

/* A way to ask the one network. */
typedef struct {
  const char *name;
  kserve_type input;  /* FP32: N x 3 x 224 x 224, normalised; UINT8: N x 224 x 224 x 3 */
  const char *format; /* of the input, as Triton's model configuration calls it */
  unsigned outputs;   /* how many of kserve_output_kind it gives, the first ones */
} kserve_model;

/* Ended by one without a name. */
extern const kserve_model kserve_models[];
/* NULL if there is none. */
const kserve_model *kserve_find_model(const char *name);
const char *kserve_output_name(kserve_output_kind kind);
/* The input's shape without the number of pictures. */
const int64_t *kserve_input_shape(kserve_type type); /* 3 numbers */
/* Bytes of one picture of this type. */
size_t kserve_picture_bytes(kserve_type type);

typedef struct {
  kserve_output_kind kind;
  size_t classification; /* how many classes as text instead of numbers; 0 = numbers */
  bool binary;           /* behind the JSON rather than in it */
} kserve_output;

typedef struct {
  const kserve_model *model;
  char *id; /* or NULL */
  size_t pictures;
  void *data; /* `pictures` of the model's type, aligned for it */
  kserve_output outputs[KSERVE_OUTPUTS];
  size_t output_count;
  bool lacks_memory; /* after a failure: it is not the request's fault */
} kserve_request;

/* `json_length`: the value of the header Inference-Header-Content-Length, or NULL. `classes`: length of the logits.
 * `max_pictures`: more are refused. False on failure, with a sentence in `reason`; then there is nothing to clear. */
bool kserve_parse(const kserve_model *model, const void *body, size_t length, const char *json_length, size_t classes,
                  size_t max_pictures, kserve_request *request, char reason[static 256]);
void kserve_request_clear(kserve_request *request);

#endif
