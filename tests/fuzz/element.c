/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Caps and buffers into the element: any of its formats, with sizes, strides, plane offsets, regions and memory that do
 * not fit each other. It may refuse a frame with an error or pass it on; it may not read or write outside the memory.
 */
#include "fuzz.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <string.h>

/* The input is this, then the bytes of the picture (repeated as often as needed). */
typedef struct {
  guint8 format, settings, memories, planes; /* planes: of the video meta; 0 = no meta */
  guint16 width, height;
  gint16 stride[4], offset[4]; /* what is added to the right ones */
  gint16 size;                 /* added to the right size of the buffer */
  guint16 region[4];
  guint8 meta_format, colorimetry, interlace, flags;
} Recipe;

enum { OVERLAY = 1, CAM = 2, SQUASH = 4, LETTERBOX = 8, REGION = 16, META_SIZE = 32, READ_ONLY = 64, SYNC = 128 };
enum { MAX_SIDE = 320, MAX_MEMORIES = 4 };

static const gchar *const colorimetry[] = {"bt601", "bt709", "sRGB", "2:4:5:1", "bt2020", "1:3:5:1"};
static GstHarness *harness;
static GstElement *element;

static void make_element(void) {
  element = gst_element_factory_make("resnet18classify", NULL);
  fuzz_expect(element != NULL, "there is no resnet18classify; is GST_PLUGIN_PATH_1_0 right?");
  gst_object_ref_sink(element);
  g_object_set(element, "threads", 1, "max-age", G_MAXUINT64, NULL);
  gst_util_set_object_arg(G_OBJECT(element), "mode", "async");
  harness = gst_harness_new_with_element(element, "sink", "src");
  gst_harness_play(harness);
}

/* After an error the element wants what every element wants: a new start. */
static void restart_element(void) {
  gst_harness_teardown(harness);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
  make_element();
}

static void apply_settings(const Recipe *r) {
  const guint crop = r->settings & SQUASH ? 1 : r->settings & LETTERBOX ? 2 : 0;
  gchar roi[64] = "";
  if (r->settings & REGION)
    g_snprintf(roi, sizeof roi, "%u,%u,%u,%u", r->region[0] % 400, r->region[1] % 400, 1 + r->region[2] % 400,
               1 + r->region[3] % 400);
  g_object_set(element, "overlay", (r->settings & OVERLAY) != 0, "cam", (r->settings & CAM) != 0, "crop", crop, "roi",
               roi[0] ? roi : NULL, NULL);
}

static GstVideoFormat format_of(guint8 which) {
  return (GstVideoFormat)(GST_VIDEO_FORMAT_I420 + which % 100); /* numbers without a format are refused below */
}

static gboolean describe(const Recipe *r, GstVideoInfo *info) {
  const GstVideoFormat format = format_of(r->format);
  gst_video_info_init(info);
  if (gst_video_format_get_info(format) == NULL ||
      !gst_video_info_set_interlaced_format(info, format,
                                            r->interlace % 8 == 7 ? GST_VIDEO_INTERLACE_MODE_INTERLEAVED
                                                                  : GST_VIDEO_INTERLACE_MODE_PROGRESSIVE,
                                            1 + r->width % MAX_SIDE, 1 + r->height % MAX_SIDE))
    return FALSE;
  info->fps_n = 25;
  info->fps_d = 1;
  if (r->colorimetry)
    gst_video_colorimetry_from_string(&info->colorimetry, colorimetry[r->colorimetry % G_N_ELEMENTS(colorimetry)]);
  return GST_VIDEO_INFO_FORMAT(info) != GST_VIDEO_FORMAT_ENCODED;
}

/* Memory of exactly its size, so that the sanitizer sees the byte behind it. */
static GstMemory *memory_of(const guint8 *data, gsize length, gsize from, gsize size, gboolean read_only) {
  guint8 *bytes = g_malloc(size ? size : 1);
  for (gsize i = 0; i < size; i++)
    bytes[i] = length ? data[(from + i) % length] : (guint8)(from + i);
  return gst_memory_new_wrapped(read_only ? GST_MEMORY_FLAG_READONLY : 0, bytes, size, 0, size, bytes, g_free);
}

static GstBuffer *picture(const Recipe *r, const GstVideoInfo *info, const guint8 *data, gsize length) {
  GstBuffer *buffer = gst_buffer_new();
  const gssize wanted = (gssize)GST_VIDEO_INFO_SIZE(info) + r->size;
  const gsize size = wanted > 0 ? (gsize)wanted : 0;
  const guint memories = 1 + r->memories % MAX_MEMORIES;
  for (guint i = 0; i < memories; i++) {
    const gsize from = size * i / memories, to = size * (i + 1) / memories;
    gst_buffer_append_memory(buffer, memory_of(data, length, from, to - from, (r->settings & READ_ONLY) != 0));
  }
  if (r->planes % 5) {
    gsize offset[GST_VIDEO_MAX_PLANES] = {0};
    gint stride[GST_VIDEO_MAX_PLANES] = {0};
    for (guint i = 0; i < 4; i++) {
      offset[i] = info->offset[i] + (gsize)(gssize)r->offset[i];
      stride[i] = info->stride[i] + r->stride[i];
    }
    const guint width = r->settings & META_SIZE ? 1u + r->region[0] % MAX_SIDE : (guint)info->width;
    const guint height = r->settings & META_SIZE ? 1u + r->region[1] % MAX_SIDE : (guint)info->height;
    const GstVideoFormat format = r->meta_format ? format_of(r->meta_format) : GST_VIDEO_INFO_FORMAT(info);
    if (gst_video_format_get_info(format))
      gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, format, width, height, r->planes % 5, offset,
                                     stride);
  }
  if (r->flags & 1) {
    GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta(buffer);
    crop->x = r->region[0];
    crop->y = r->region[1];
    crop->width = r->region[2];
    crop->height = r->region[3];
  }
  if (r->flags & 2)
    gst_buffer_add_video_region_of_interest_meta(buffer, "thing", r->region[0], r->region[1], r->region[2],
                                                 r->region[3]);
  return buffer;
}

static void push(const Recipe *r, const GstVideoInfo *info, const guint8 *data, gsize length) {
  static GstClockTime now;
  GstCaps *caps = gst_video_info_to_caps((GstVideoInfo *)info);
  if (caps == NULL)
    return;
  gst_harness_set_src_caps(harness, caps);
  gboolean refused = FALSE;
  for (guint i = 0; i < 2 && !refused; i++) {
    GstBuffer *buffer = picture(r, info, data, length), *out;
    GST_BUFFER_PTS(buffer) = now;
    now += 40 * GST_MSECOND;
    refused = gst_harness_push(harness, buffer) != GST_FLOW_OK;
    while ((out = gst_harness_try_pull(harness)))
      gst_buffer_unref(out);
  }
  GstEvent *event;
  while ((event = gst_harness_try_pull_event(harness)))
    gst_event_unref(event);
  if (refused)
    restart_element();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Recipe recipe = {0};
  GstVideoInfo info;
  if (harness == NULL) {
    gst_init(NULL, NULL);
    gst_debug_set_default_threshold(GST_LEVEL_NONE);
    make_element();
  }
  if (size < sizeof recipe)
    return 0;
  memcpy(&recipe, data, sizeof recipe);
  if (!describe(&recipe, &info))
    return 0;
  apply_settings(&recipe);
  push(&recipe, &info, data + sizeof recipe, size - sizeof recipe);
  return 0;
}
