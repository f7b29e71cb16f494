/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files of the server: those that are refused say why, those that are taken make whole cameras. */
#include "fuzz.h"

#include "config.h"

#include <string.h>

static void check_properties(const GArray *properties) {
  for (guint i = 0; i < properties->len; i++) {
    const spec_property *p = &g_array_index(properties, spec_property, i);
    fuzz_expect(p->value && *p->value, "a property without a value");
    for (guint k = 0; k < i; k++)
      fuzz_expect(strcmp(g_array_index(properties, spec_property, k).name, p->name) != 0, "a property twice");
  }
}

static void check_camera(const camera_spec *spec) {
  fuzz_expect(spec->name && *spec->name && spec->uri && strstr(spec->uri, "://"), "a camera without a name or URI");
  check_properties(spec->classify);
  for (guint i = 0; i < spec->targets->len; i++)
    check_properties(((const spec_target *)spec->targets->pdata[i])->properties);
}

static void check_settings(const settings *s) {
  for (const setting *row = settings_table; row->field.name; row++) {
    const void *place = (const char *)s + row->offset;
    const double value = row->field.kind == FIELD_NUMBER ? *(const double *)place : *(const int *)place;
    if (row->field.kind == FIELD_NUMBER || row->field.kind == FIELD_INTEGER)
      fuzz_expect(value >= row->field.least && value <= row->field.most, "a setting out of its range");
  }
}

/* Each of its lines names the file. */
static void check_problems(const char *wrong) {
  fuzz_expect(*wrong != '\0' && g_str_has_suffix(wrong, "\n"), "a refusal without a reason");
  fuzz_expect(g_utf8_validate(wrong, -1, NULL), "a reason that is no text");
  for (const char *line = wrong; *line; line = strchr(line, '\n') + 1)
    fuzz_expect(g_str_has_prefix(line, "/e/f:"), "a reason of several lines");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  settings s = settings_default();
  GPtrArray *cameras;
  char *wrong = config_parse("/e/f", (const char *)data, size, &s, &cameras);
  fuzz_expect((wrong == NULL) == (cameras != NULL), "neither cameras nor a reason, or both");
  if (wrong)
    check_problems(wrong);
  check_settings(&s);
  for (guint i = 0; cameras && i < cameras->len; i++)
    check_camera(cameras->pdata[i]);
  if (cameras)
    g_ptr_array_unref(cameras);
  settings_clear(&s);
  g_free(wrong);
  return 0;
}
