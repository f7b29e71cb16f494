/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cameras are to be. */
#include "spec.h"

#include <string.h>

static void clear_property(gpointer property) {
  g_free(((spec_property *)property)->value);
}

static GArray *new_properties(void) {
  GArray *properties = g_array_new(FALSE, FALSE, sizeof(spec_property));
  g_array_set_clear_func(properties, clear_property);
  return properties;
}

static void free_target(gpointer user) {
  spec_target *target = user;
  g_array_free(target->properties, TRUE);
  g_free(target->name);
  g_free(target);
}

camera_spec *camera_spec_new(const char *name) {
  camera_spec *spec = g_new0(camera_spec, 1);
  spec->name = g_strdup(name);
  spec->classify = new_properties();
  spec->targets = g_ptr_array_new_with_free_func(free_target);
  spec->latency = -1;
  spec->supervision = (supervision){RETRY_PATIENT, NO_FRAME_TIMEOUT};
  return spec;
}

void camera_spec_free(camera_spec *spec) {
  if (spec == NULL)
    return;
  g_array_free(spec->classify, TRUE);
  g_ptr_array_free(spec->targets, TRUE);
  g_free(spec->transport);
  g_free(spec->name);
  g_free(spec->uri);
  g_free(spec);
}

void spec_set(GArray *properties, const char *name, const char *value) {
  for (guint i = 0; i < properties->len; i++) {
    spec_property *there = &g_array_index(properties, spec_property, i);
    if (strcmp(there->name, name) == 0) {
      g_free(there->value);
      there->value = g_strdup(value);
      return;
    }
  }
  const spec_property made = {name, g_strdup(value)};
  g_array_append_val(properties, made);
}

spec_target *camera_spec_add_target(camera_spec *spec, const char *name) {
  spec_target *target = g_new0(spec_target, 1);
  target->name = g_strdup(name);
  target->properties = new_properties();
  g_ptr_array_add(spec->targets, target);
  return target;
}

static bool properties_equal(const GArray *a, const GArray *b) {
  bool equal = a->len == b->len;
  for (guint i = 0; equal && i < a->len; i++) {
    const spec_property *x = &g_array_index(a, spec_property, i), *y = &g_array_index(b, spec_property, i);
    equal = strcmp(x->name, y->name) == 0 && strcmp(x->value, y->value) == 0;
  }
  return equal;
}

static bool targets_equal(const GPtrArray *a, const GPtrArray *b) {
  bool equal = a->len == b->len;
  for (guint i = 0; equal && i < a->len; i++) {
    const spec_target *x = a->pdata[i], *y = b->pdata[i];
    equal = strcmp(x->name, y->name) == 0 && properties_equal(x->properties, y->properties);
  }
  return equal;
}

static bool supervision_equal(const supervision *a, const supervision *b) {
  return a->manner == b->manner && a->no_frame_timeout == b->no_frame_timeout;
}

bool camera_spec_equal(const camera_spec *a, const camera_spec *b) {
  return strcmp(a->name, b->name) == 0 && strcmp(a->uri, b->uri) == 0 && g_strcmp0(a->transport, b->transport) == 0 &&
         a->latency == b->latency && a->loop == b->loop && supervision_equal(&a->supervision, &b->supervision) &&
         properties_equal(a->classify, b->classify) && targets_equal(a->targets, b->targets);
}

char *spec_uri(const char *word, const char *base) {
  if (strstr(word, "://"))
    return g_strdup(word);
  char *path = g_canonicalize_filename(word, base), *uri = g_filename_to_uri(path, NULL, NULL);
  g_free(path);
  return uri ? uri : g_strdup(word);
}
