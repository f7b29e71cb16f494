/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* POST /classify: a picture in, what is on it out. */
#include "classify.h"

#include "answer.h"
#include "body.h"
#include "server.h"

#include <microhttpd.h>
#include <string.h>

/* A picture on its way, and the request that waits for it. */
typedef struct {
  request *request;
  answer_options options;
} order;

/* ---- Which bytes are the picture ----------------------------------------------------------------------- */

/* What a client may call the bytes of a picture; curl --data-binary says that they are a form. */
static bool may_be_picture(const char *type) {
  return type == NULL || *type == '\0' || g_ascii_strncasecmp(type, "image/", 6) == 0 ||
         media_type_is(type, "application/octet-stream") || media_type_is(type, "application/x-www-form-urlencoded") ||
         media_type_is(type, "binary/octet-stream");
}

/* False after an answer. */
static bool find_picture(request *r, const uint8_t **data, size_t *size) {
  const char *type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE), *wrong;
  size_t whole_size;
  const uint8_t *whole = request_body(r, &whole_size);
  if (media_type_is(type, "multipart/form-data")) {
    wrong = multipart_find(type, whole, whole_size, "image", data, size);
    if (wrong)
      request_fail(r, 400, "the field 'image' cannot be read: %s", wrong);
    return wrong == NULL;
  }
  if (!may_be_picture(type)) {
    request_fail(r, 415, "the body must be a picture or multipart/form-data, not '%.100s'", type);
    return false;
  }
  *data = whole;
  *size = whole_size;
  return true;
}

unsigned classify_check(const settings *s, const uint8_t *data, size_t size, int *kind, char *reason, size_t room) {
  uint32_t width = 0, height = 0;
  *kind = size ? encoded_look(data, size) : ENCODED_NOTHING;
  if (*kind == ENCODED_NOTHING) {
    g_snprintf(reason, room, size ? "it is not a picture" : "the picture is empty");
    return 400;
  }
  if (*kind == ENCODED_OTHER) {
    g_snprintf(reason, room, "pictures of this kind are not read; JPEG, PNG, WebP, BMP and GIF are");
    return 415;
  }
  if (!encoded_size(*kind, data, size, &width, &height) || width == 0 || height == 0) {
    g_snprintf(reason, room, "the %s picture is damaged: its header does not say its size", encoded_name(*kind));
    return 400;
  }
  if ((double)width * (double)height > s->max_megapixels * 1e6 || width > 65535 || height > 65535) {
    g_snprintf(reason, room, "a picture of %u x %u pixels is too large; up to %g megapixels are read", width, height,
               s->max_megapixels);
    return 413;
  }
  return 0;
}

/* ---- The answer ---------------------------------------------------------------------------------------- */

static void done(job *j) {
  order *o = j->user;
  request *r = o->request;
  server *s = request_server(r);
  classifier_leave(s->classifier, 1);
  if (j->status == 200)
    request_reply_json(r, 200, answer_json(s->classifier, j, &o->options));
  else if (j->status == 503)
    request_busy(r, j->reason);
  else
    request_fail(r, j->status, "%s", j->reason);
  g_free(o);
  job_free(j);
}

/* False after an answer. */
static bool read_query(request *r, answer_options *o, bool *cam, int *cam_class) {
  const double last = (double)classifier_classes(request_server(r)->classifier) - 1;
  double top_k = 5, threshold = 0, of_class = -1;
  if (!request_query_number(r, "top_k", 1, ANSWER_MAX_TOP_K, &top_k) ||
      !request_query_number(r, "threshold", 0, 1, &threshold) || !request_query_flag(r, "cam", cam) ||
      !request_query_number(r, "cam_class", 0, last, &of_class) || !request_query_flag(r, "groups", &o->groups))
    return false;
  if (top_k != (int)top_k || of_class != (int)of_class) {
    request_fail(r, 400, "%s must be a whole number", top_k != (int)top_k ? "top_k" : "cam_class");
    return false;
  }
  o->top_k = (unsigned)top_k;
  o->threshold = (float)threshold;
  *cam_class = (int)of_class;
  *cam |= *cam_class >= 0;
  return true;
}

void classify_handle(request *r) {
  server *s = request_server(r);
  answer_options options = {.top_k = 5};
  bool cam = false;
  int cam_class = -1, kind;
  const uint8_t *data;
  size_t size;
  char reason[JOB_REASON];
  if (!read_query(r, &options, &cam, &cam_class) || !find_picture(r, &data, &size))
    return;
  const unsigned status = classify_check(&s->settings, data, size, &kind, reason, sizeof reason);
  if (status) {
    request_fail(r, status, "%s", reason);
    return;
  }
  if (!classifier_admit(s->classifier, 1)) {
    request_busy(r, "too many pictures are waiting");
    return;
  }
  order *o = g_new(order, 1);
  *o = (order){.request = r, .options = options};
  job *j = job_new();
  j->kind = (encoded_kind)kind;
  j->encoded = data;
  j->size = size;
  j->want_cam = cam;
  j->cam_class = cam_class;
  j->done = done;
  j->user = o;
  j->submitted = g_get_monotonic_time();
  decoder_push(s->decoder, j);
}
