/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Formats, sizes, strides, and caps that change. */
#include "rig.h"

#include <math.h>

#define RGB "video/x-raw,format=RGB"

/* Scores may differ by what 8-bit YUV and halved chroma lose, and by anything with a palette of 256 colours; the class
 * may not. */
static void every_format_is_read(void **state) {
  static const struct {
    const char *format;
    double tolerance;
  } rows[] = {{"BGR", 0.001},      {"RGBx", 0.001}, {"BGRx", 0.001}, {"xRGB", 0.001},   {"xBGR", 0.001},
              {"RGBA", 0.001},     {"BGRA", 0.001}, {"ARGB", 0.001}, {"ABGR", 0.001},   {"I420", 0.03},
              {"YV12", 0.03},      {"NV12", 0.03},  {"NV21", 0.03},  {"YUY2", 0.03},    {"UYVY", 0.03},
              {"Y444", 0.03},      {"Y42B", 0.03},  {"AYUV", 0.03},  {"RGB16", 0.10},   {"I420_10LE", 0.03},
              {"P010_10LE", 0.03}, {"v210", 0.03},  {"GBR", 0.001},  {"ARGB64", 0.005}, {"NV12_64Z32", 0.03},
              {"RGB8P", 1.0}};
  Rig *rig = rig_new("", "coffee.png", RGB);
  GstStructure *result = rig_result(rig);
  double reference = gst_resnet18_result_get_score(result);
  gst_structure_free(result);
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    gchar *caps = g_strdup_printf("video/x-raw,format=%s", rows[i].format);
    rig_show(rig, "coffee.png", caps);
    result = rig_result(rig);
    if (rig_class(result, 0) != ESPRESSO || fabs(gst_resnet18_result_get_score(result) - reference) > rows[i].tolerance)
      fail_msg("%s: %s %f, RGB had espresso %f", rows[i].format, gst_resnet18_result_get_label(result),
               gst_resnet18_result_get_score(result), reference);
    gst_structure_free(result);
    g_free(caps);
  }
  rig_free(rig);
}

/* The same picture, told apart only by its colorimetry: read as the caps say, it stays the same picture. */
static void colorimetry_is_heeded(void **state) {
  static const char *const caps[] = {"colorimetry=bt601",   "colorimetry=bt709",  "colorimetry=1:3:5:1",
                                     "colorimetry=1:4:0:0", "colorimetry=bt2020", "colorimetry=smpte240m"};
  Rig *rig = rig_new("", "coffee.png", RGB);
  GstStructure *result = rig_result(rig);
  double reference = gst_resnet18_result_get_score(result);
  gst_structure_free(result);
  for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
    gchar *text = g_strdup_printf("video/x-raw,format=I420,%s", caps[i]);
    rig_show(rig, "coffee.png", text);
    result = rig_result(rig);
    if (fabs(gst_resnet18_result_get_score(result) - reference) > 0.03)
      fail_msg("%s: %f, RGB had %f", caps[i], gst_resnet18_result_get_score(result), reference);
    gst_structure_free(result);
    g_free(text);
  }
  rig_free(rig);
}

static void every_size_passes(void **state) {
  static const guint sizes[][2] = {{1, 1},     {1, 400},   {400, 1},     {2, 3},   {17, 9},
                                   {224, 224}, {257, 255}, {1921, 1081}, {3, 2000}};
  static const char *const formats[] = {"RGB", "I420", "NV21", "YUY2", "GRAY8", "I420_10LE"};
  Rig *rig = rig_new("", "chelsea.png", RGB);
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
      gchar *caps = g_strdup_printf("video/x-raw,format=%s,width=%u,height=%u", formats[f], sizes[i][0], sizes[i][1]);
      GstStructure *result;
      rig_show(rig, "chelsea.png", caps);
      result = rig_result(rig);
      assert_non_null(result);
      assert_int_equal(gst_resnet18_result_get_n_classes(result), 5);
      gst_structure_free(result);
      g_free(caps);
    }
  rig_free(rig);
}

static void caps_change_and_the_label_is_right_at_once(void **state) {
  static const struct {
    const char *file, *caps;
    guint best;
  } rows[] = {{"chelsea.png", "video/x-raw,format=BGR", TIGER_CAT},
              {"coffee.png", "video/x-raw,format=BGRx,width=320,height=240", ESPRESSO},
              {"coffee.png", "video/x-raw,format=NV12,width=1280,height=800", ESPRESSO},
              {"chelsea.png", "video/x-raw,format=xRGB", TIGER_CAT}};
  Rig *rig = rig_new("", "chelsea.png", RGB);
  GstSample *pictures[G_N_ELEMENTS(rows)];
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    pictures[i] = rig_picture(rows[i].file, rows[i].caps);
  for (guint i = 0; i < rig_rounds(200, 5000); i++) {
    const guint row = i % G_N_ELEMENTS(rows);
    gst_sample_unref(rig->picture);
    rig->picture = gst_sample_ref(pictures[row]);
    gst_harness_set_src_caps(rig->harness, gst_caps_ref(gst_sample_get_caps(rig->picture)));
    assert_int_equal(rig_best(rig), rows[row].best);
  }
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    gst_sample_unref(pictures[i]);
  rig_read_bus(rig);
  for (guint i = 0; i < rig->messages->len; i++)
    assert_false(GST_MESSAGE_TYPE(rig->messages->pdata[i]) & (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
  rig_free(rig);
}

/* Rows further apart than they are long, planes with gaps between them, and what is between them poisoned. */
static void strides_and_offsets_are_heeded(void **state) {
  enum { WIDTH = 600, HEIGHT = 400, STRIDE = 640, GAP = 4096 };
  Rig *rig = rig_new("", "coffee.png", "video/x-raw,format=I420,width=600,height=400");
  GstStructure *plain = rig_result(rig);
  GstVideoInfo info;
  GstVideoFrame from;
  gsize offset[4] = {GAP, 2 * GAP + STRIDE * HEIGHT, 3 * GAP + STRIDE * HEIGHT * 5 / 4},
        size = 4 * GAP + STRIDE * HEIGHT * 2;
  gint stride[4] = {STRIDE, STRIDE / 2, STRIDE / 2};
  guint8 *bytes = g_malloc(size);
  GstBuffer *buffer;
  memset(bytes, 0xee, size);
  gst_video_info_from_caps(&info, gst_sample_get_caps(rig->picture));
  gst_video_frame_map(&from, &info, gst_sample_get_buffer(rig->picture), GST_MAP_READ);
  for (guint p = 0; p < 3; p++)
    for (guint y = 0; y < (p ? HEIGHT / 2 : HEIGHT); y++)
      memcpy(bytes + offset[p] + y * (guint)stride[p],
             (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&from, p) + y * (guint)GST_VIDEO_FRAME_PLANE_STRIDE(&from, p),
             p ? WIDTH / 2 : WIDTH);
  gst_video_frame_unmap(&from);
  buffer = gst_buffer_new_wrapped(bytes, size);
  gst_buffer_add_video_meta_full(buffer, 0, GST_VIDEO_FORMAT_I420, WIDTH, HEIGHT, 3, offset, stride);
  buffer = gst_harness_push_and_pull(rig->harness, buffer);
  assert_true(gst_resnet18_result_get_score(gst_resnet18_buffer_get_result(buffer, 0)) ==
              gst_resnet18_result_get_score(plain));
  gst_buffer_unref(buffer);
  gst_structure_free(plain);
  rig_free(rig);
}

/* A picture in the middle of a larger one, as decoders leave it. */
static void margins_are_cut_off(void **state) {
  enum { WIDTH = 600, HEIGHT = 400, WIDE = 640, HIGH = 480, X = 20, Y = 30 };
  Rig *rig = rig_new("", "coffee.png", "video/x-raw,format=RGB,width=600,height=400");
  GstStructure *plain = rig_result(rig);
  guint8 *bytes = g_malloc0(WIDE * HIGH * 3);
  gsize offset[4] = {0};
  gint stride[4] = {WIDE * 3};
  GstVideoCropMeta *crop;
  GstMapInfo from;
  GstBuffer *buffer;
  gst_buffer_map(gst_sample_get_buffer(rig->picture), &from, GST_MAP_READ);
  for (guint y = 0; y < HEIGHT; y++)
    memcpy(bytes + ((y + Y) * WIDE + X) * 3, from.data + y * WIDTH * 3, WIDTH * 3);
  gst_buffer_unmap(gst_sample_get_buffer(rig->picture), &from);
  buffer = gst_buffer_new_wrapped(bytes, WIDE * HIGH * 3);
  gst_buffer_add_video_meta_full(buffer, 0, GST_VIDEO_FORMAT_RGB, WIDE, HIGH, 1, offset, stride);
  crop = gst_buffer_add_video_crop_meta(buffer);
  crop->x = X;
  crop->y = Y;
  crop->width = WIDTH;
  crop->height = HEIGHT;
  buffer = gst_harness_push_and_pull(rig->harness, buffer);
  assert_true(gst_resnet18_result_get_score(gst_resnet18_buffer_get_result(buffer, 0)) ==
              gst_resnet18_result_get_score(plain));
  gst_buffer_unref(buffer);
  gst_structure_free(plain);
  rig_free(rig);
}

static GstBuffer *short_buffer(gboolean with_meta) {
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, 1000, NULL);
  gsize offset[4] = {0};
  gint stride[4] = {600 * 3};
  if (with_meta)
    gst_buffer_add_video_meta_full(buffer, 0, GST_VIDEO_FORMAT_RGB, 600, 400, 1, offset, stride);
  return buffer;
}

/* Passed on with one warning, not read beyond its end, and what comes after it is classified. */
static void short_buffers_are_passed_on(void **state) {
  for (guint with_meta = 0; with_meta < 2; with_meta++) {
    Rig *rig = rig_new("", "coffee.png", "video/x-raw,format=RGB,width=600,height=400");
    guint warnings = 0;
    for (guint i = 0; i < 3; i++) {
      GstBuffer *buffer = gst_harness_push_and_pull(rig->harness, short_buffer(with_meta));
      assert_null(gst_resnet18_buffer_get_result(buffer, 0));
      gst_buffer_unref(buffer);
    }
    rig_read_bus(rig);
    for (guint i = 0; i < rig->messages->len; i++)
      warnings += GST_MESSAGE_TYPE(rig->messages->pdata[i]) == GST_MESSAGE_WARNING;
    assert_int_equal(warnings, 1);
    assert_int_equal(rig_stat(rig, "skipped"), 3);
    assert_int_equal(rig_best(rig), ESPRESSO);
    rig_free(rig);
  }
}

/* Where upstream leaves the choice of the format. */
static void cheap_formats_are_preferred(void **state) {
  static const struct {
    const char *offered, *taken;
  } rows[] = {{"", "I420"},
              {",format={ABGR64_LE,GRAY8,RGB}", "RGB"},
              {",format={RGB,GRAY8,NV12}", "NV12"},
              {",format={GRAY8,BGRx,UYVY}", "UYVY"},
              {",format={GRAY8,Y444}", "Y444"},
              {",format=GRAY8", "GRAY8"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    gchar *text =
        g_strdup_printf("videotestsrc ! video/x-raw%s ! resnet18classify name=it ! fakesink", rows[i].offered);
    GstElement *pipeline = gst_parse_launch(text, NULL), *it = gst_bin_get_by_name(GST_BIN(pipeline), "it");
    GstPad *pad = gst_element_get_static_pad(it, "sink");
    GstCaps *caps;
    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    assert_int_equal(gst_element_get_state(pipeline, NULL, NULL, GST_CLOCK_TIME_NONE), GST_STATE_CHANGE_SUCCESS);
    caps = gst_pad_get_current_caps(pad);
    assert_string_equal(gst_structure_get_string(gst_caps_get_structure(caps, 0), "format"), rows[i].taken);
    gst_caps_unref(caps);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pad);
    gst_object_unref(it);
    gst_object_unref(pipeline);
    g_free(text);
  }
}

/* ---- Memory that the CPU cannot see, as some DMABufs are ------------------------------------------------ */

typedef struct {
  GstAllocator parent;
} DarkAllocator;
typedef struct {
  GstAllocatorClass parent_class;
} DarkAllocatorClass;
GType dark_allocator_get_type(void);
G_DEFINE_TYPE(DarkAllocator, dark_allocator, GST_TYPE_ALLOCATOR)

static GstMemory *dark_alloc(GstAllocator *allocator, gsize size, GstAllocationParams *params) {
  GstMemory *memory = g_new0(GstMemory, 1);
  gst_memory_init(memory, GST_MEMORY_FLAG_NO_SHARE, allocator, NULL, size, 0, 0, size);
  return memory;
}

static void dark_free(GstAllocator *allocator, GstMemory *memory) {
  g_free(memory);
}

static gpointer dark_map(GstMemory *memory, gsize size, GstMapFlags flags) {
  return NULL;
}

static void dark_allocator_class_init(DarkAllocatorClass *klass) {
  GST_ALLOCATOR_CLASS(klass)->alloc = dark_alloc;
  GST_ALLOCATOR_CLASS(klass)->free = dark_free;
}

static void dark_allocator_init(DarkAllocator *self) {
  GST_ALLOCATOR(self)->mem_type = "dark";
  GST_ALLOCATOR(self)->mem_map = dark_map;
}

static void memory_that_cannot_be_mapped_is_named(void **state) {
  Rig *rig = rig_new("", "coffee.png", "video/x-raw,format=RGB,width=600,height=400");
  GstAllocator *allocator = gst_object_ref_sink(g_object_new(dark_allocator_get_type(), NULL));
  GstBuffer *buffer = gst_buffer_new_allocate(allocator, 600 * 400 * 3, NULL);
  guint named = 0;
  buffer = gst_harness_push_and_pull(rig->harness, buffer);
  assert_null(gst_resnet18_buffer_get_result(buffer, 0));
  gst_buffer_unref(buffer);
  rig_read_bus(rig);
  for (guint i = 0; i < rig->messages->len; i++) {
    GError *error = NULL;
    if (GST_MESSAGE_TYPE(rig->messages->pdata[i]) != GST_MESSAGE_WARNING)
      continue;
    gst_message_parse_warning(rig->messages->pdata[i], &error, NULL);
    named += strstr(error->message, "the type \"dark\"") != NULL;
    g_error_free(error);
  }
  assert_int_equal(named, 1);
  assert_int_equal(rig_best(rig), ESPRESSO);
  gst_object_unref(allocator);
  rig_free(rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_format_is_read),
      cmocka_unit_test(colorimetry_is_heeded),
      cmocka_unit_test(every_size_passes),
      cmocka_unit_test(caps_change_and_the_label_is_right_at_once),
      cmocka_unit_test(strides_and_offsets_are_heeded),
      cmocka_unit_test(margins_are_cut_off),
      cmocka_unit_test(short_buffers_are_passed_on),
      cmocka_unit_test(cheap_formats_are_preferred),
      cmocka_unit_test(memory_that_cannot_be_mapped_is_named),
  };
  gst_init(&argc, &argv);
  if (argc == 2)
    cmocka_set_test_filter(argv[1]); /* one of them alone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
