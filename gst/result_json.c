/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A result as one line of JSON (RFC 8259). */
#include "result_json.h"

static void append_escaped(GString *json, gunichar c) {
  if (c == '"' || c == '\\')
    g_string_append_printf(json, "\\%c", (gchar)c);
  else if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029)
    g_string_append_printf(json, "\\u%04x", c);
  else
    g_string_append_unichar(json, c);
}

void gst_resnet18_json_append_string(GString *json, const gchar *string) {
  gchar *valid = g_utf8_make_valid(string, -1);
  g_string_append_c(json, '"');
  for (const gchar *s = valid; *s; s = g_utf8_next_char(s))
    append_escaped(json, g_utf8_get_char(s));
  g_string_append_c(json, '"');
  g_free(valid);
}

/* JSON has no number for infinity and NaN. Six digits are all that a float's score has. */
static void append_double(GString *json, gdouble number) {
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];
  if (number != number || number - number != 0.0)
    g_string_append(json, "null");
  else
    g_string_append(json, g_ascii_formatd(text, sizeof text, "%.6g", number));
}

static void append_structure(GString *json, const GstStructure *structure);

static void append_array(GString *json, const GValue *array) {
  g_string_append_c(json, '[');
  for (guint i = 0; i < gst_value_array_get_size(array); i++) {
    const GValue *entry = gst_value_array_get_value(array, i);
    if (i)
      g_string_append_c(json, ',');
    if (GST_VALUE_HOLDS_STRUCTURE(entry))
      append_structure(json, gst_value_get_structure(entry));
    else if (G_VALUE_HOLDS_DOUBLE(entry))
      append_double(json, g_value_get_double(entry));
    else
      g_string_append(json, "null");
  }
  g_string_append_c(json, ']');
}

static void append_value(GString *json, const GValue *value) {
  if (value == NULL) {
    g_string_append(json, "null");
    return;
  }
  if (G_VALUE_HOLDS_STRING(value) && g_value_get_string(value))
    gst_resnet18_json_append_string(json, g_value_get_string(value));
  else if (G_VALUE_HOLDS_UINT64(value))
    g_string_append_printf(json, "%" G_GUINT64_FORMAT, g_value_get_uint64(value));
  else if (G_VALUE_HOLDS_UINT(value))
    g_string_append_printf(json, "%u", g_value_get_uint(value));
  else if (G_VALUE_HOLDS_INT(value))
    g_string_append_printf(json, "%d", g_value_get_int(value));
  else if (G_VALUE_HOLDS_DOUBLE(value))
    append_double(json, g_value_get_double(value));
  else if (G_VALUE_HOLDS_BOOLEAN(value))
    g_string_append(json, g_value_get_boolean(value) ? "true" : "false");
  else if (GST_VALUE_HOLDS_STRUCTURE(value))
    append_structure(json, gst_value_get_structure(value));
  else if (GST_VALUE_HOLDS_ARRAY(value))
    append_array(json, value);
  else
    g_string_append(json, "null");
}

static void append_member(GString *json, const GstStructure *structure, const gchar *name, gboolean first) {
  if (!first)
    g_string_append_c(json, ',');
  gst_resnet18_json_append_string(json, name);
  g_string_append_c(json, ':');
  append_value(json, gst_structure_get_value(structure, name));
}

/* In the order in which the fields were set. */
static void append_structure(GString *json, const GstStructure *structure) {
  g_string_append_c(json, '{');
  for (gint i = 0; i < gst_structure_n_fields(structure); i++)
    append_member(json, structure, gst_structure_nth_field_name(structure, i), i == 0);
  g_string_append_c(json, '}');
}

void gst_resnet18_json_append_members(GString *json, const GstStructure *result) {
  static const gchar *const always[] = {
      "model", "pts",     "running-time", "stream-time", "duration", "age",  "inference-time",
      "roi",   "classes", "group",        "uncertainty", "unknown",  "event"};
  static const gchar *const sometimes[] = {"previous", "cam"};
  for (gsize i = 0; i < G_N_ELEMENTS(always); i++)
    append_member(json, result, always[i], i == 0);
  for (gsize i = 0; i < G_N_ELEMENTS(sometimes); i++)
    if (gst_structure_has_field(result, sometimes[i]))
      append_member(json, result, sometimes[i], FALSE);
}

gchar *gst_resnet18_result_to_json(const GstStructure *result) {
  GString *json = g_string_new("{");
  g_return_val_if_fail(result != NULL, g_string_free(json, FALSE));
  gst_resnet18_json_append_members(json, result);
  g_string_append_c(json, '}');
  return g_string_free(json, FALSE);
}
