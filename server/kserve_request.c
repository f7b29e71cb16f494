/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading inference requests. Members that are not known are passed over, as the protocol asks; known ones are checked.
 */
#include "kserve_request.h"

#include <glib.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resnet18.h"

/* The second model has a single output: clients that classify pictures, such as Triton's image_client, want that. */
const kserve_model kserve_models[] = {
    {"resnet18", KSERVE_FP32, "FORMAT_NCHW", 2},
    {"resnet18-rgb", KSERVE_UINT8, "FORMAT_NHWC", 1},
    {NULL},
};

const kserve_model *kserve_find_model(const char *name) {
  for (const kserve_model *model = kserve_models; model->name; model++)
    if (strcmp(model->name, name) == 0)
      return model;
  return NULL;
}

const char *kserve_output_name(kserve_output_kind kind) {
  static const char *const names[] = {[KSERVE_LOGITS] = "logits", [KSERVE_FEATURES] = "features"};
  return names[kind]; /* NOLINT(clang-analyzer-core.uninitialized.UndefReturn): no model has an output more */
}

const int64_t *kserve_input_shape(kserve_type type) {
  static const int64_t shapes[][3] = {
      [KSERVE_UINT8] = {RESNET18_SIZE, RESNET18_SIZE, 3}, [KSERVE_FP32] = {3, RESNET18_SIZE, RESNET18_SIZE}};
  return shapes[type];
}

size_t kserve_picture_bytes(kserve_type type) {
  return type == KSERVE_FP32 ? RESNET18_RGB_BYTES * sizeof(float) : RESNET18_RGB_BYTES;
}

/* ---- Parts of the JSON ---- */

typedef struct {
  const kserve_model *model;
  size_t classes, max_pictures;
  kserve_cut_text cut;
  const uint8_t *binary; /* behind the JSON */
  size_t binary_length;
  kserve_request *request;
  char *reason;
  bool lacks_memory;
} parser;

static bool refuse(parser *p, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(parser *p, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_vsnprintf(p->reason, 256, format, arguments);
  va_end(arguments);
  return false;
}

static bool lacks_memory(parser *p) {
  p->lacks_memory = true;
  return refuse(p, "there is no memory for the request now");
}

static bool is_object_or_missing(parser *p, const json_t *value, const char *where) {
  return !value || json_is_object(value) || refuse(p, "\"parameters\" of %s is not an object", where);
}

/* *value is left as it is where the parameter is missing. */
static bool read_flag(parser *p, const json_t *parameters, const char *name, const char *where, bool *value) {
  const json_t *flag = json_object_get(parameters, name);
  if (!flag)
    return true;
  if (!json_is_boolean(flag))
    return refuse(p, "the parameter \"%s\" of %s is neither true nor false", name, where);
  *value = json_is_true(flag);
  return true;
}

/* *value is left as it is where the parameter is missing. */
static bool read_count(parser *p, const json_t *parameters, const char *name, const char *where, size_t *value) {
  const json_t *count = json_object_get(parameters, name);
  if (!count)
    return true;
  if (!json_is_integer(count) || json_integer_value(count) < 0)
    return refuse(p, "the parameter \"%s\" of %s is not a whole number from 0 on", name, where);
  *value = (size_t)json_integer_value(count);
  return true;
}

static bool no_shared_memory(parser *p, const json_t *parameters, const char *where) {
  return !json_object_get(parameters, "shared_memory_region") ||
         refuse(p, "%s wants shared memory, which is not offered", where);
}

/* ---- The input ---- */

static bool is_name(const json_t *value, const char *name) {
  return json_is_string(value) && json_string_length(value) == strlen(name) &&
         strcmp(json_string_value(value), name) == 0;
}

static bool read_shape(parser *p, const json_t *shape, int64_t out[static 4]) {
  const int64_t *wanted = kserve_input_shape(p->model->input);
  bool fits = json_is_array(shape) && json_array_size(shape) == 4;
  for (size_t i = 0; fits && i < 4; i++) {
    const json_t *side = json_array_get(shape, i);
    out[i] = json_is_integer(side) ? json_integer_value(side) : -1;
    fits = i == 0 ? out[0] > 0 : out[i] == wanted[i - 1];
  }
  if (!fits)
    return refuse(p, "the shape of \"input\" is not [N, %d, %d, %d]", (int)wanted[0], (int)wanted[1], (int)wanted[2]);
  if ((uint64_t)out[0] > p->max_pictures)
    return refuse(p, "\"input\" has %lld pictures, more than %zu", (long long)out[0], p->max_pictures);
  return true;
}

static bool is_finite(const float *numbers, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(numbers[i]))
      return false;
  return true;
}

/* All of the body behind the JSON belongs to the one input. */
static bool take_binary(parser *p, size_t length) {
  kserve_request *request = p->request;
  size_t wanted = request->pictures * kserve_picture_bytes(p->model->input);
  if (length != wanted || p->binary_length != wanted)
    return refuse(p, "\"input\" should have %zu bytes, \"binary_data_size\" says %zu, and behind the JSON are %zu",
                  wanted, length, p->binary_length);
  memcpy(request->data, p->binary, wanted); /* for the alignment */
  if (p->model->input == KSERVE_FP32 && !is_finite(request->data, wanted / sizeof(float)))
    return refuse(p, "\"input\" has a number that is infinite or NaN");
  return true;
}

static bool take_array(parser *p, const json_t *data, const int64_t *shape) {
  char why[256];
  /* An index that kserve_cut put there: it lets no other value through. */
  size_t index = (size_t)json_integer_value(data);
  if (!data || !json_is_integer(data) || index >= p->cut.count)
    return refuse(p, "\"input\" has neither \"data\" nor the parameter \"binary_data_size\"");
  if (p->binary_length)
    return refuse(p, "%zu bytes behind the JSON belong to no tensor", p->binary_length);
  if (!kserve_read_numbers(&p->cut.arrays[index], p->model->input, shape, 4, p->request->data, why))
    return refuse(p, "\"input\" %s", why);
  return true;
}

static bool read_input(parser *p, const json_t *input) {
  const char *datatype = p->model->input == KSERVE_FP32 ? "FP32" : "UINT8";
  const json_t *parameters = json_object_get(input, "parameters"), *data = json_object_get(input, "data");
  int64_t shape[4] = {0};
  size_t binary = SIZE_MAX;
  if (!json_is_object(input) || !is_name(json_object_get(input, "name"), "input"))
    return refuse(p, "the model %s has one input, called \"input\"", p->model->name);
  if (!is_name(json_object_get(input, "datatype"), datatype))
    return refuse(p, "the datatype of \"input\" is not %s", datatype);
  if (!read_shape(p, json_object_get(input, "shape"), shape) || !is_object_or_missing(p, parameters, "\"input\"") ||
      !no_shared_memory(p, parameters, "\"input\"") ||
      !read_count(p, parameters, "binary_data_size", "\"input\"", &binary))
    return false;
  if (binary != SIZE_MAX && data)
    return refuse(p, "\"input\" has both \"data\" and the parameter \"binary_data_size\"");
  p->request->pictures = (size_t)shape[0];
  p->request->data = g_try_malloc(p->request->pictures * kserve_picture_bytes(p->model->input));
  if (!p->request->data)
    return lacks_memory(p);
  return binary != SIZE_MAX ? take_binary(p, binary) : take_array(p, data, shape);
}

static bool read_inputs(parser *p, const json_t *inputs) {
  if (!json_is_array(inputs))
    return refuse(p, "\"inputs\" is not a list of tensors");
  if (json_array_size(inputs) != 1)
    return refuse(p, "there are %zu inputs, and the model %s has one", json_array_size(inputs), p->model->name);
  return read_input(p, json_array_get(inputs, 0));
}

/* ---- The outputs ---- */

static bool find_output(parser *p, const json_t *name, kserve_output_kind *kind) {
  for (unsigned i = 0; i < p->model->outputs; i++)
    if (is_name(name, kserve_output_name((kserve_output_kind)i))) {
      *kind = (kserve_output_kind)i;
      return true;
    }
  return refuse(p, "the model %s has no such output; it has \"logits\"%s", p->model->name,
                p->model->outputs > 1 ? " and \"features\"" : "");
}

static bool read_output(parser *p, const json_t *value, bool binary) {
  kserve_request *request = p->request;
  const json_t *parameters = json_object_get(value, "parameters");
  kserve_output output = {.binary = binary};
  if (!json_is_object(value))
    return refuse(p, "an entry of \"outputs\" is not an object");
  if (!find_output(p, json_object_get(value, "name"), &output.kind))
    return false;
  const char *name = kserve_output_name(output.kind);
  for (size_t i = 0; i < request->output_count; i++)
    if (request->outputs[i].kind == output.kind)
      return refuse(p, "the output \"%s\" is asked for twice", name);
  if (!is_object_or_missing(p, parameters, name) || !no_shared_memory(p, parameters, name) ||
      !read_flag(p, parameters, "binary_data", name, &output.binary) ||
      !read_count(p, parameters, "classification", name, &output.classification))
    return false;
  if (json_object_get(parameters, "classification") && output.classification == 0)
    return refuse(p, "the parameter \"classification\" of %s is 0", name);
  size_t length = output.kind == KSERVE_LOGITS ? p->classes : RESNET18_FEATURES;
  output.classification = MIN(output.classification, length);
  request->outputs[request->output_count++] = output;
  return true;
}

/* Without a list, all outputs are given. */
static bool read_outputs(parser *p, const json_t *root) {
  const json_t *outputs = json_object_get(root, "outputs"), *parameters = json_object_get(root, "parameters");
  bool binary = false;
  if (!is_object_or_missing(p, parameters, "the request") ||
      !read_flag(p, parameters, "binary_data_output", "the request", &binary))
    return false;
  if (outputs && !json_is_array(outputs))
    return refuse(p, "\"outputs\" is not a list");
  if (json_array_size(outputs) == 0) {
    for (unsigned i = 0; i < p->model->outputs; i++)
      p->request->outputs[p->request->output_count++] =
          (kserve_output){.kind = (kserve_output_kind)i, .binary = binary};
    return true;
  }
  for (size_t i = 0; i < json_array_size(outputs); i++)
    if (!read_output(p, json_array_get(outputs, i), binary))
      return false;
  return true;
}

static bool read_id(parser *p, const json_t *id) {
  if (!id)
    return true;
  if (!json_is_string(id) || strlen(json_string_value(id)) != json_string_length(id))
    return refuse(p, "\"id\" is not a string");
  p->request->id = g_strdup(json_string_value(id));
  return true;
}

/* ---- The whole ---- */

/* How many bytes of the body are JSON. */
static bool split(parser *p, const char *json_length, size_t length, size_t *json) {
  guint64 value = 0;
  *json = length;
  if (!json_length)
    return true;
  if (!g_ascii_string_to_unsigned(json_length, 10, 0, G_MAXINT64, &value, NULL))
    return refuse(p, "the header Inference-Header-Content-Length is not a whole number");
  if (value > length)
    return refuse(p, "the header Inference-Header-Content-Length is larger than the body");
  *json = (size_t)value;
  return true;
}

static json_t *load(parser *p) {
  json_error_t error;
  json_t *root = json_loadb(p->cut.rest, p->cut.length, JSON_REJECT_DUPLICATES, &error);
  if (!root)
    refuse(p, "the JSON cannot be read: %s", error.text);
  else if (!json_is_object(root)) {
    refuse(p, "the JSON is not an object");
    json_decref(root);
    root = NULL;
  }
  return root;
}

bool kserve_parse(const kserve_model *model, const void *body, size_t length, const char *json_length, size_t classes,
                  size_t max_pictures, kserve_request *request, char reason[static 256]) {
  parser p = {.model = model, .classes = classes, .max_pictures = max_pictures, .request = request, .reason = reason};
  json_t *root = NULL;
  size_t json;
  bool done = false;
  *request = (kserve_request){.model = model};
  if (!split(&p, json_length, length, &json))
    return false;
  p.binary = (const uint8_t *)body + json;
  p.binary_length = length - json;
  char why[256];
  if (!kserve_cut(body, json, &p.cut, why)) {
    p.lacks_memory = p.cut.lacks_memory;
    refuse(&p, "%s", why);
    goto out;
  }
  root = load(&p);
  done = root && read_id(&p, json_object_get(root, "id")) && read_outputs(&p, root) &&
         read_inputs(&p, json_object_get(root, "inputs"));
out:
  json_decref(root);
  free(p.cut.rest);
  if (!done)
    kserve_request_clear(request);
  request->lacks_memory = p.lacks_memory;
  return done;
}

void kserve_request_clear(kserve_request *request) {
  g_free(request->id);
  g_free(request->data);
  *request = (kserve_request){0};
}
