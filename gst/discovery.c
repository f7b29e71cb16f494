/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Home Assistant's discovery, as in its documentation of MQTT: a retained message
 * "homeassistant/sensor/NODE/OBJECT/config" for each sensor. One sensor says what is seen, with the whole result as
 * attributes; the other how sure that is. */
#include "discovery.h"

#include "result_json.h"

static const struct {
  const gchar *object, *name, *more;
} sensors[] = {
    {"class", "Seen",
     "\"value_template\":\"{{ value_json.classes[0].label if value_json.classes else 'nothing' }}\","
     "\"icon\":\"mdi:eye\""},
    {"score", "Certainty",
     "\"value_template\":\"{{ (100 * value_json.classes[0].score) | round(1) if value_json.classes else 0 }}\","
     "\"unit_of_measurement\":\"%\",\"state_class\":\"measurement\",\"icon\":\"mdi:percent\""},
};

gchar *gst_resnet18_discovery_status_topic(const GstResnet18Address *a) {
  return g_strconcat(a->topic, "/status", NULL);
}

/* "key":"value", */
static void add(GString *json, const gchar *key, const gchar *value) {
  g_string_append_printf(json, "\"%s\":", key);
  gst_resnet18_json_append_string(json, value);
  g_string_append_c(json, ',');
}

static gchar *describe(const GstResnet18Address *a, const gchar *device_name, guint i) {
  GString *json = g_string_new("{");
  gchar *status = gst_resnet18_discovery_status_topic(a);
  gchar *id = g_strdup_printf("%s-%s", a->client_id, sensors[i].object);
  add(json, "name", sensors[i].name);
  add(json, "unique_id", id);
  add(json, "state_topic", a->topic);
  if (i == 0)
    add(json, "json_attributes_topic", a->topic);
  add(json, "availability_topic", status);
  g_string_append_printf(json, "%s,\"qos\":1,\"device\":{", sensors[i].more);
  add(json, "name", device_name);
  add(json, "model", "ResNet-18 image classifier");
  add(json, "sw_version", RESNET18_VERSION);
  g_string_append(json, "\"identifiers\":[");
  gst_resnet18_json_append_string(json, a->client_id);
  g_string_append(json, "]},\"origin\":{\"name\":\"resnet18classify\",\"sw_version\":\"" RESNET18_VERSION "\"}}");
  g_free(status);
  g_free(id);
  return g_string_free(json, FALSE);
}

void gst_resnet18_discovery_announce(GstResnet18Address *a, const gchar *device_name) {
  /* Home Assistant takes letters, digits, "_" and "-" in these parts of the topic. */
  gchar *node = g_strdelimit(g_strdup(a->client_id), ".", '_');
  for (guint i = 0; i < G_N_ELEMENTS(sensors); i++) {
    GstResnet18Notice notice = {
        .topic = g_strdup_printf("homeassistant/sensor/%s/%s/config", node, sensors[i].object),
        .payload = describe(a, device_name, i),
    };
    g_array_append_val(a->notices, notice);
  }
  g_free(node);
}
