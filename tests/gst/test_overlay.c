/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text on the picture: where it is, in which colour, and that nothing else changes. */
#include "rig.h"

#include <math.h>

#define RGB "video/x-raw,format=RGB"
#define SIZE "width=640,height=480"

/* A frame as RGB. */
typedef struct {
  guint width, height;
  guint8 *pixels;
} Image;

static Image to_image(GstBuffer *buffer, GstCaps *caps) {
  GstCaps *rgb;
  GstSample *sample = gst_sample_new(buffer, caps, NULL, NULL), *converted;
  Image image;
  GstMapInfo map;
  GstVideoInfo info;
  gst_video_info_from_caps(&info, caps);
  image = (Image){GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info), NULL};
  rgb = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "RGBx", "width", G_TYPE_INT, image.width, "height",
                            G_TYPE_INT, image.height, NULL);
  converted = gst_video_convert_sample(sample, rgb, GST_CLOCK_TIME_NONE, NULL);
  assert_non_null(converted);
  gst_buffer_map(gst_sample_get_buffer(converted), &map, GST_MAP_READ);
  image.pixels = g_memdup2(map.data, map.size);
  gst_buffer_unmap(gst_sample_get_buffer(converted), &map);
  gst_sample_unref(converted);
  gst_sample_unref(sample);
  gst_caps_unref(rgb);
  return image;
}

/* The next frame, as it went in or as it came out. */
static Image next_image(Rig *rig, gboolean out) {
  GstBuffer *buffer = out ? rig_frame(rig) : gst_buffer_ref(gst_sample_get_buffer(rig->picture));
  Image image = to_image(buffer, gst_sample_get_caps(rig->picture));
  gst_buffer_unref(buffer);
  return image;
}

/* The rectangle in which two pictures differ. */
static GstVideoRectangle difference(const Image *a, const Image *b) {
  gint left = a->width, top = a->height, right = -1, bottom = -1;
  for (gint y = 0; y < (gint)a->height; y++)
    for (gint x = 0; x < (gint)a->width; x++) {
      const gsize at = ((gsize)y * a->width + x) * 4;
      if (memcmp(a->pixels + at, b->pixels + at, 3) == 0)
        continue;
      left = MIN(left, x);
      right = MAX(right, x);
      top = MIN(top, y);
      bottom = MAX(bottom, y);
    }
  return (GstVideoRectangle){left, top, right - left + 1, bottom - top + 1};
}

static GstVideoRectangle panel_of(Rig *rig) {
  Image before = next_image(rig, FALSE), after = next_image(rig, TRUE);
  GstVideoRectangle panel = difference(&before, &after);
  g_free(before.pixels);
  g_free(after.pixels);
  return panel;
}

static GstVideoRectangle panel_with(const char *properties) {
  gchar *text = g_strdup_printf("overlay=true %s", properties);
  Rig *rig = rig_new(text, "chelsea.png", RGB "," SIZE);
  GstVideoRectangle panel = panel_of(rig);
  rig_free(rig);
  g_free(text);
  return panel;
}

static void without_overlay_pixels_stay(void **state) {
  Rig *rig = rig_new("overlay=false", "chelsea.png", RGB "," SIZE);
  assert_true(panel_of(rig).w <= 0);
  g_object_set(rig->element, "overlay", TRUE, NULL);
  assert_true(panel_of(rig).w > 100);
  g_object_set(rig->element, "overlay", FALSE, NULL);
  assert_true(panel_of(rig).w <= 0);
  rig_free(rig);
}

static void overlay_position_moves_it(void **state) {
  static const struct {
    const char *value;
    int x, y; /* -1: at the beginning, 0: in the middle, 1: at the end */
  } rows[] = {{"top-left", -1, -1},   {"top", 0, -1},   {"top-right", 1, -1},  {"center", 0, 0},
              {"bottom-left", -1, 1}, {"bottom", 0, 1}, {"bottom-right", 1, 1}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    gchar *properties = g_strdup_printf("overlay-position=%s", rows[i].value);
    GstVideoRectangle p = panel_with(properties);
    const int right = 640 - p.x - p.w, below = 480 - p.y - p.h;
    assert_true(p.x > 0 && p.y > 0 && right > 0 && below > 0);
    assert_true(rows[i].x ? rows[i].x * (p.x - right) > 100 : abs(p.x - right) <= 3);
    assert_true(rows[i].y ? rows[i].y * (p.y - below) > 100 : abs(p.y - below) <= 3);
    g_free(properties);
  }
}

static void overlay_top_is_the_number_of_lines(void **state) {
  int one = panel_with("overlay-top=1").h, three = panel_with("overlay-top=3").h, five = panel_with("overlay-top=5").h;
  assert_true(three - one > 20);
  assert_true(abs((five - three) - (three - one)) <= 2);
  assert_int_equal(panel_with("overlay-top=5 top-k=3").h, three);
}

static void overlay_font_changes_the_size(void **state) {
  int normal = panel_with("").h, large = panel_with("overlay-font=\"Sans 60px\"").h;
  assert_true(large > 2 * normal);
}

static void text_grows_with_the_picture(void **state) {
  Rig *rig = rig_new("overlay=true", "chelsea.png", RGB "," SIZE);
  GstVideoRectangle small = panel_of(rig), large;
  rig_show(rig, "chelsea.png", RGB ",width=1280,height=960");
  large = panel_of(rig);
  assert_true(fabs((double)large.h / small.h - 2.0) < 0.1);
  rig_free(rig);
}

static void any_size_can_be_written_on(void **state) {
  static const guint sizes[][2] = {{1, 1}, {2, 2}, {16, 16}, {17, 300}, {300, 17}, {63, 31}};
  static const char *const formats[] = {"RGB", "I420", "NV12", "UYVY", "GRAY8"};
  Rig *rig = rig_new("overlay=true overlay-top=5", "chelsea.png", RGB);
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
      gchar *caps = g_strdup_printf("video/x-raw,format=%s,width=%u,height=%u", formats[f], sizes[i][0], sizes[i][1]);
      rig_show(rig, "chelsea.png", caps);
      gst_buffer_unref(rig_frame(rig));
      g_free(caps);
    }
  rig_free(rig);
}

/* How far the pixel of a picture that comes nearest to a colour is from it, in its worst channel. */
static int distance_to(const Image *image, guint colour) {
  int best = 255;
  for (gsize i = 0; i < (gsize)image->width * image->height; i++) {
    int worst = 0;
    for (guint c = 0; c < 3; c++)
      worst = MAX(worst, abs(image->pixels[i * 4 + c] - (int)(colour >> (16 - 8 * c) & 255)));
    best = MIN(best, worst);
  }
  return best;
}

/* A saturated colour comes out as itself inside the strokes, whatever the format and its colorimetry. What 8-bit YUV
 * costs: half a level in each of Y, U, V times the matrix's row (1.2), one level of blending likewise (2.4), and three
 * of GStreamer's coefficients that are rounded to 1/256 (1.5). */
enum { COLOUR_TOLERANCE = 6 };

static void overlay_color_is_right_in_every_format(void **state) {
  static const char *const caps[] = {"format=RGB",
                                     "format=BGRx",
                                     "format=RGBA",
                                     "format=ARGB",
                                     "format=xBGR",
                                     "format=Y444",
                                     "format=I420,colorimetry=bt601",
                                     "format=I420,colorimetry=bt709",
                                     "format=I420,colorimetry=1:4:0:0",
                                     "format=YV12,colorimetry=bt709",
                                     "format=NV12,colorimetry=bt709",
                                     "format=NV21,colorimetry=bt601",
                                     "format=YUY2,colorimetry=bt709",
                                     "format=UYVY,colorimetry=bt601",
                                     "format=AYUV,colorimetry=bt709",
                                     "format=P010_10LE,colorimetry=bt709"};
  static const guint colours[] = {0xffff0000, 0xff00ff00, 0xff0000ff, 0xffff00ff};
  for (guint c = 0; c < G_N_ELEMENTS(colours); c++) {
    gchar *properties =
        g_strdup_printf("overlay=true overlay-font=\"Sans Bold 70px\" overlay-top=1 overlay-color=%u", colours[c]);
    Rig *rig = rig_new(properties, "coffee.png", RGB "," SIZE);
    for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
      gchar *text = g_strdup_printf("video/x-raw,%s," SIZE, caps[i]);
      Image before, after;
      rig_show(rig, "coffee.png", text);
      before = next_image(rig, FALSE);
      after = next_image(rig, TRUE);
      if (distance_to(&before, colours[c]) < 40 || distance_to(&after, colours[c]) > COLOUR_TOLERANCE)
        fail_msg("%08x on %s: nearest %d, before %d", colours[c], caps[i], distance_to(&after, colours[c]),
                 distance_to(&before, colours[c]));
      g_free(before.pixels);
      g_free(after.pixels);
      g_free(text);
    }
    rig_free(rig);
    g_free(properties);
  }
}

/* Where downstream draws overlays, the pixels stay and the overlay comes as a meta. */
static void downstream_may_draw_it(void **state) {
  Rig *rig = rig_new("overlay=true", "chelsea.png", RGB "," SIZE);
  GstVideoOverlayCompositionMeta *meta;
  GstVideoOverlayRectangle *rectangle;
  GstBuffer *buffer;
  guint width, height;
  gint x, y;
  gst_harness_add_propose_allocation_meta(rig->harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  rig_show(rig, "chelsea.png", RGB ",width=320,height=240");
  assert_true(panel_of(rig).w <= 0);
  buffer = rig_frame(rig);
  meta = gst_buffer_get_video_overlay_composition_meta(buffer);
  assert_non_null(meta);
  assert_int_equal(gst_video_overlay_composition_n_rectangles(meta->overlay), 1);
  rectangle = gst_video_overlay_composition_get_rectangle(meta->overlay, 0);
  assert_true(gst_video_overlay_rectangle_get_render_rectangle(rectangle, &x, &y, &width, &height));
  assert_true(x > 0 && y > 120 && x + (gint)width < 320 && y + (gint)height < 240);
  gst_buffer_unref(buffer);
  rig_free(rig);
}

/* Text for pixels that are twice as high as wide is drawn twice as wide. */
static void pixels_need_not_be_square(void **state) {
  Rig *rig = rig_new("overlay=true", "chelsea.png", RGB "," SIZE ",pixel-aspect-ratio=1/1");
  GstVideoRectangle square = panel_of(rig), narrow;
  rig_show(rig, "chelsea.png", RGB "," SIZE ",pixel-aspect-ratio=1/2");
  narrow = panel_of(rig);
  assert_true(narrow.w > square.w);
  rig_free(rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_overlay_pixels_stay),
      cmocka_unit_test(overlay_position_moves_it),
      cmocka_unit_test(overlay_top_is_the_number_of_lines),
      cmocka_unit_test(overlay_font_changes_the_size),
      cmocka_unit_test(text_grows_with_the_picture),
      cmocka_unit_test(any_size_can_be_written_on),
      cmocka_unit_test(overlay_color_is_right_in_every_format),
      cmocka_unit_test(downstream_may_draw_it),
      cmocka_unit_test(pixels_need_not_be_square),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
