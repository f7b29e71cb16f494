/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of the KServe v2 protocol. */
#include "kserve_answer.h"

#include <math.h>
#include <string.h>

#define VERSION "1" /* of the models; they have one */

static size_t row_length(const kserve_result *result, kserve_output_kind kind) {
  return kind == KSERVE_LOGITS ? result->classes : RESNET18_FEATURES;
}

static const float *rows_of(const kserve_result *result, kserve_output_kind kind) {
  return kind == KSERVE_LOGITS ? result->logits : result->features;
}

/* ---- Classification: "VALUE:INDEX:LABEL" for the largest numbers of a row ---- */

/* `best` receives `count` indices, largest number first, equal ones by index. */
static void find_best(const float *row, size_t length, size_t count, guint32 *best) {
  size_t have = 0;
  for (size_t i = 0; i < length; i++) {
    size_t at = have;
    while (at > 0 && row[i] > row[best[at - 1]])
      at--;
    if (at >= count)
      continue;
    have = MIN(have + 1, count);
    memmove(best + at + 1, best + at, (have - at - 1) * sizeof *best);
    best[at] = (guint32)i;
  }
}

static char *class_text(const float *row, guint32 index, const resnet18_labels *labels) {
  char value[G_ASCII_DTOSTR_BUF_SIZE];
  const char *label = labels ? resnet18_labels_name(labels, index) : NULL;
  g_ascii_formatd(value, sizeof value, "%f", row[index]);
  return label ? g_strdup_printf("%s:%u:%s", value, index, label) : g_strdup_printf("%s:%u", value, index);
}

/* One string an entry, picture after picture. */
static GPtrArray *class_texts(const kserve_output *output, size_t pictures, const kserve_result *result,
                              const resnet18_labels *labels) {
  GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
  guint32 *best = g_new0(guint32, output->classification);
  size_t length = row_length(result, output->kind);
  for (size_t p = 0; p < pictures; p++) {
    const float *row = rows_of(result, output->kind) + p * length;
    find_best(row, length, output->classification, best);
    for (size_t i = 0; i < output->classification; i++)
      g_ptr_array_add(texts, class_text(row, best[i], output->kind == KSERVE_LOGITS ? labels : NULL));
  }
  g_free(best);
  return texts;
}

/* ---- Tensors ---- */

static void append_text(GByteArray *tail, const char *text) {
  guint32 length = (guint32)strlen(text), little = GUINT32_TO_LE(length);
  g_byte_array_append(tail, (const guint8 *)&little, sizeof little);
  g_byte_array_append(tail, (const guint8 *)text, length);
}

static void append_float(GByteArray *tail, float number) {
  guint32 bits;
  memcpy(&bits, &number, sizeof bits);
  bits = GUINT32_TO_LE(bits);
  g_byte_array_append(tail, (const guint8 *)&bits, sizeof bits);
}

/* Appends the tensor to `tail`, or returns it as a list for the JSON; NULL where JSON has no such number. */
static json_t *texts_tensor(const GPtrArray *texts, bool binary, GByteArray *tail) {
  json_t *list = json_array();
  for (guint i = 0; i < texts->len; i++)
    if (binary)
      append_text(tail, texts->pdata[i]);
    else
      json_array_append_new(list, json_string(texts->pdata[i]));
  return list;
}

static json_t *numbers_tensor(const float *numbers, size_t count, bool binary, GByteArray *tail) {
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++)
    if (binary)
      append_float(tail, numbers[i]);
    else if (json_array_append_new(list, json_real(numbers[i])) != 0) {
      json_decref(list);
      return NULL;
    }
  return list;
}

static json_t *output_tensor(const kserve_request *request, const kserve_output *output, const kserve_result *result,
                             const resnet18_labels *labels, GByteArray *tail) {
  size_t before = tail->len,
         length = output->classification ? output->classification : row_length(result, output->kind);
  json_t *data, *tensor;
  if (output->classification) {
    GPtrArray *texts = class_texts(output, request->pictures, result, labels);
    data = texts_tensor(texts, output->binary, tail);
    g_ptr_array_unref(texts);
  } else
    data = numbers_tensor(rows_of(result, output->kind), request->pictures * length, output->binary, tail);
  if (!data)
    return NULL;
  tensor =
      json_pack("{s:s, s:s, s:[I, I]}", "name", kserve_output_name(output->kind), "datatype",
                output->classification ? "BYTES" : "FP32", "shape", (json_int_t)request->pictures, (json_int_t)length);
  if (output->binary)
    json_object_set_new(tensor, "parameters", json_pack("{s:I}", "binary_data_size", (json_int_t)(tail->len - before)));
  else
    json_object_set(tensor, "data", data);
  json_decref(data);
  return tensor;
}

static int append_chunk(const char *text, size_t length, void *answer) {
  g_byte_array_append(answer, (const guint8 *)text, (guint)length);
  return 0;
}

GByteArray *kserve_answer(const kserve_request *request, const kserve_result *result, const resnet18_labels *labels,
                          size_t *json_length, char reason[static 256]) {
  GByteArray *answer = g_byte_array_new(), *tail = g_byte_array_new();
  json_t *root = json_pack("{s:s, s:s, s:[]}", "model_name", request->model->name, "model_version", VERSION, "outputs");
  json_t *outputs = json_object_get(root, "outputs"); /* NULL when there is no memory for the root */
  bool any_binary = false, good = true;
  if (request->id)
    json_object_set_new(root, "id", json_string(request->id));
  for (size_t i = 0; good && i < request->output_count; i++) {
    json_t *tensor = output_tensor(request, &request->outputs[i], result, labels, tail);
    good = tensor && json_array_append_new(outputs, tensor) == 0;
    any_binary |= request->outputs[i].binary;
  }
  /* Nine digits give a float back exactly. */
  good = good && json_dump_callback(root, append_chunk, answer, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
  *json_length = any_binary ? answer->len : 0;
  if (good)
    g_byte_array_append(answer, tail->data, tail->len);
  else {
    g_snprintf(reason, 256, "the numbers of \"input\" are so large that the network's have no value");
    g_byte_array_unref(answer);
    answer = NULL;
  }
  g_byte_array_unref(tail);
  json_decref(root);
  return answer;
}

/* ---- Metadata ---- */

json_t *kserve_server_metadata(void) {
  return json_pack("{s:s, s:s, s:[s, s, s]}", "name", "resnet18-server", "version", resnet18_version(), "extensions",
                   "classification", "binary_tensor_data", "model_configuration");
}

static const char *datatype_of(kserve_type type) {
  return type == KSERVE_FP32 ? "FP32" : "UINT8";
}

static json_int_t output_length(kserve_output_kind kind, const kserve_facts *facts) {
  return kind == KSERVE_LOGITS ? (json_int_t)facts->classes : RESNET18_FEATURES;
}

json_t *kserve_model_metadata(const kserve_model *model, const kserve_facts *facts) {
  const int64_t *shape = kserve_input_shape(model->input);
  json_t *outputs = json_array();
  for (unsigned i = 0; i < model->outputs; i++)
    json_array_append_new(outputs,
                          json_pack("{s:s, s:s, s:[i, I]}", "name", kserve_output_name((kserve_output_kind)i),
                                    "datatype", "FP32", "shape", -1, output_length((kserve_output_kind)i, facts)));
  return json_pack("{s:s, s:[s], s:s, s:[{s:s, s:s, s:[i, I, I, I]}], s:o, s:{s:s, s:s, s:s, s:I}}", "name",
                   model->name, "versions", VERSION, "platform", "resnet18_c", "inputs", "name", "input", "datatype",
                   datatype_of(model->input), "shape", -1, (json_int_t)shape[0], (json_int_t)shape[1],
                   (json_int_t)shape[2], "outputs", outputs, "parameters", "source", facts->source, "precision",
                   facts->precision, "kernels", facts->kernels, "max_batch_size", (json_int_t)facts->max_pictures);
}

json_t *kserve_model_config(const kserve_model *model, const kserve_facts *facts) {
  const int64_t *shape = kserve_input_shape(model->input);
  const char *type = model->input == KSERVE_FP32 ? "TYPE_FP32" : "TYPE_UINT8";
  json_t *outputs = json_array();
  for (unsigned i = 0; i < model->outputs; i++)
    json_array_append_new(outputs,
                          json_pack("{s:s, s:s, s:[I]}", "name", kserve_output_name((kserve_output_kind)i), "data_type",
                                    "TYPE_FP32", "dims", output_length((kserve_output_kind)i, facts)));
  return json_pack("{s:s, s:s, s:s, s:I, s:[{s:s, s:s, s:s, s:[I, I, I]}], s:o}", "name", model->name, "platform",
                   "resnet18_c", "backend", "resnet18", "max_batch_size", (json_int_t)facts->max_pictures, "input",
                   "name", "input", "data_type", type, "format", model->format, "dims", (json_int_t)shape[0],
                   (json_int_t)shape[1], (json_int_t)shape[2], "output", outputs);
}
