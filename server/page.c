/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving the embedded files. They need no token: they say nothing, and the page asks for it. */
#include "page.h"

#include <stdbool.h>
#include <string.h>

#include "embedded.h"

/* Nothing from elsewhere, nothing inline, in nobody's frame. blob: is the preview of a picture that was chosen. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
                             "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

static const struct {
  const char *name, *value;
} headers[] = {
    {"Content-Security-Policy", policy},
    {"Permissions-Policy", "camera=(self), microphone=(), geolocation=()"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    /* Kept, and asked about each time: a new server has a new page. */
    {"Cache-Control", "no-cache"},
};

/* Whether the header If-None-Match names the tag (RFC 9110, 13.1.2; weakly compared). */
static bool has_tag(const char *list, const char *etag) {
  if (!list)
    return false;
  const char *found = strstr(list, etag);
  return found != NULL || strcmp(list, "*") == 0;
}

static void reply_file(request *r, const char *name) {
  const embedded_file *file = embedded_find(name);
  if (!file) {
    request_fail(r, 404, "there is no file of this name");
    return;
  }
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
    request_add_header(r, headers[i].name, headers[i].value);
  request_add_header(r, "ETag", file->etag);
  if (has_tag(request_header(r, "If-None-Match"), file->etag))
    request_reply_static(r, 304, embedded_type(file), "", 0);
  else
    request_reply_static(r, 200, embedded_type(file), file->data, file->size);
}

static void reply_index(request *r) {
  reply_file(r, "index.html");
}

static void reply_named(request *r) {
  reply_file(r, request_segment(r, 0));
}

static void reply_description(request *r) {
  reply_file(r, "openapi.json");
}

const route page_routes[] = {
    {"GET", "/", reply_index, ROUTE_OPEN, ""},
    {"GET", "/page/*", reply_named, ROUTE_OPEN, ""},
    {"GET", "/openapi.json", reply_description, ROUTE_OPEN, ""},
    {0},
};
