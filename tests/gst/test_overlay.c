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

/* Mean of the absolute differences of two pictures' lower halves. */
static double lower_distance(const Image *a, const Image *b) {
  const gsize n = (gsize)a->width * a->height;
  guint64 sum = 0;
  for (gsize i = n / 2; i < n; i++)
    for (guint c = 0; c < 3; c++)
      sum += (guint64)abs(a->pixels[i * 4 + c] - b->pixels[i * 4 + c]);
  return (double)sum / (double)((n - n / 2) * 3);
}

typedef struct {
  Image before, after;
} Pair;

static Pair with_heat_map(const char *caps) {
  Rig *rig = rig_new("overlay=true cam=true overlay-position=top-left overlay-top=1", "coffee.png", caps);
  Pair pair = {next_image(rig, FALSE), next_image(rig, TRUE)};
  rig_free(rig);
  return pair;
}

/* The heat map has the same colours in all formats. On average, rounding costs less than half of what it costs at most;
 * the format itself costs what it costs without a map too. */
static void cam_is_the_same_in_every_format(void **state) {
  static const char *const caps[] = {"format=BGRx",
                                     "format=xRGB",
                                     "format=ARGB",
                                     "format=RGBA",
                                     "format=BGR",
                                     "format=GBR",
                                     "format=Y444,colorimetry=bt709",
                                     "format=I420,colorimetry=bt709",
                                     "format=I420,colorimetry=1:4:0:0",
                                     "format=YV12,colorimetry=bt601",
                                     "format=NV12,colorimetry=bt709",
                                     "format=NV21,colorimetry=bt601",
                                     "format=YUY2,colorimetry=bt709",
                                     "format=UYVY,colorimetry=bt601",
                                     "format=YVYU,colorimetry=bt709",
                                     "format=v308,colorimetry=bt709",
                                     "format=NV16,colorimetry=bt709",
                                     "format=Y41B,colorimetry=bt709",
                                     "format=AYUV,colorimetry=bt709",
                                     "format=P010_10LE,colorimetry=bt709"};
  Pair rgb = with_heat_map(RGB "," SIZE);
  assert_true(lower_distance(&rgb.before, &rgb.after) > COLOUR_TOLERANCE);
  for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
    gchar *text = g_strdup_printf("video/x-raw,%s," SIZE, caps[i]);
    Pair pair = with_heat_map(text);
    const double format = lower_distance(&rgb.before, &pair.before), both = lower_distance(&rgb.after, &pair.after);
    if (both > format + COLOUR_TOLERANCE / 2.0)
      fail_msg("%s: %f from RGB with the map, %f without", caps[i], both, format);
    g_free(pair.before.pixels);
    g_free(pair.after.pixels);
    g_free(text);
  }
  g_free(rgb.before.pixels);
  g_free(rgb.after.pixels);
}

/* Chroma is shared by pixels on both sides of an odd edge, and as much further is it smoothed where it is made RGB;
 * nothing beyond changes. */
static void regions_may_begin_anywhere(void **state) {
  static const char *const formats[] = {"RGB", "I420", "NV12", "YUY2", "Y41B", "GRAY8"};
  static const guint reach[] = {0, 3, 3, 3, 7, 0};
  for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
    for (guint at = 100; at < 104; at++) {
      gchar *caps = g_strdup_printf("video/x-raw,format=%s," SIZE, formats[i]);
      Rig *rig = rig_new("overlay=true cam=true roi-source=meta overlay-font=\"Sans 9px\"", "chelsea.png", caps);
      GstBuffer *buffer = gst_buffer_copy_deep(gst_sample_get_buffer(rig->picture));
      Image before = next_image(rig, FALSE), after;
      GstVideoRectangle changed;
      gst_buffer_add_video_region_of_interest_meta(buffer, "cat", at, at, 301, 203);
      buffer = gst_harness_push_and_pull(rig->harness, buffer);
      after = to_image(buffer, gst_sample_get_caps(rig->picture));
      changed = difference(&before, &after);
      assert_in_range(changed.x, at - reach[i], at);
      assert_in_range(changed.y, at - reach[i], at);
      assert_in_range(changed.x + changed.w, at + 301, at + 301 + reach[i]);
      assert_in_range(changed.y + changed.h, at + 203, at + 203 + reach[i]);
      gst_buffer_unref(buffer);
      g_free(before.pixels);
      g_free(after.pixels);
      rig_free(rig);
      g_free(caps);
    }
}

/* A buffer that is smaller than its caps or its meta say leaves as it came, as does one whose meta says a smaller
 * frame. */
static void odd_buffers_are_not_drawn_on(void **state) {
  Rig *rig = rig_new("overlay=true interval=1000", "coffee.png", "video/x-raw,format=RGB,width=600,height=400");
  for (guint kind = 0; kind < 3; kind++) {
    gsize offset[4] = {0};
    gint stride[4] = {600 * 3};
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, kind == 2 ? 600 * 300 * 3 : 1000, NULL);
    GstMapInfo map;
    gst_buffer_unref(rig_frame(rig)); /* there is something to draw */
    gst_buffer_memset(buffer, 0, 77, gst_buffer_get_size(buffer));
    if (kind)
      gst_buffer_add_video_meta_full(buffer, 0, GST_VIDEO_FORMAT_RGB, 600, kind == 2 ? 300 : 400, 1, offset, stride);
    buffer = gst_harness_push_and_pull(rig->harness, buffer);
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    for (gsize i = 0; i < map.size; i++)
      assert_int_equal(map.data[i], 77);
    gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
  }
  rig_free(rig);
}

/* On a translucent frame the overlay keeps its colours and adds its alpha: before black, it looks as it does on a black
 * frame. Half a level is rounded in each of two steps, and again here. */
static void translucent_frames_stay_translucent(void **state) {
  static const char *const formats[] = {"RGBA", "BGRA", "ARGB", "ABGR"};
  static const guint at[][4] = {{0, 1, 2, 3}, {2, 1, 0, 3}, {1, 2, 3, 0}, {3, 2, 1, 0}};
  static const guint8 alphas[] = {0, 1, 100, 254};
  enum { PIXELS = 320 * 240 };
  for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
    gchar *caps = g_strdup_printf("video/x-raw,format=%s,width=320,height=240", formats[f]);
    Rig *rig = rig_new("overlay=true cam=true overlay-color=0xffff8020", "chelsea.png", caps);
    for (guint a = 0; a < G_N_ELEMENTS(alphas); a++) {
      GstBuffer *buffer[2];
      GstMapInfo solid, clear;
      guint drawn = 0;
      for (guint i = 0; i < 2; i++) {
        guint8 *pixels = g_malloc0(PIXELS * 4);
        for (guint p = 0; p < PIXELS; p++)
          pixels[p * 4 + at[f][3]] = i ? alphas[a] : 255;
        buffer[i] = gst_harness_push_and_pull(rig->harness, gst_buffer_new_wrapped(pixels, PIXELS * 4));
      }
      gst_buffer_map(buffer[0], &solid, GST_MAP_READ);
      gst_buffer_map(buffer[1], &clear, GST_MAP_READ);
      for (guint p = 0; p < PIXELS; p++) {
        const guint8 *s = solid.data + p * 4, *c = clear.data + p * 4;
        const int alpha = c[at[f][3]];
        drawn += alpha > alphas[a];
        assert_int_equal(s[at[f][3]], 255);
        assert_true(alpha >= alphas[a]);
        for (guint i = 0; i < 3; i++)
          assert_in_range(c[at[f][i]] * alpha / 255 + 2, s[at[f][i]], s[at[f][i]] + 4);
      }
      assert_true(drawn > 1000);
      for (guint i = 0; i < 2; i++) {
        gst_buffer_unmap(buffer[i], i ? &clear : &solid);
        gst_buffer_unref(buffer[i]);
      }
    }
    rig_free(rig);
    g_free(caps);
  }
}

/* Copies the planes of `from` into `to` with its upper left corner at x, y, or back. */
static void copy_part(GstVideoFrame *large, GstVideoFrame *small, gint x, gint y, gboolean back) {
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(small); c++) {
    const GstVideoFormatInfo *format = small->info.finfo;
    const gint left = GST_VIDEO_FORMAT_INFO_SCALE_WIDTH(format, c, x) * GST_VIDEO_FRAME_COMP_PSTRIDE(small, c);
    const gint top = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(format, c, y);
    const gint bytes = GST_VIDEO_FRAME_COMP_WIDTH(small, c) * GST_VIDEO_FRAME_COMP_PSTRIDE(small, c);
    const guint plane = GST_VIDEO_FRAME_COMP_PLANE(small, c);
    for (gint row = 0; row < GST_VIDEO_FRAME_COMP_HEIGHT(small, c); row++) {
      guint8 *outer = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(large, plane) +
                      (top + row) * GST_VIDEO_FRAME_PLANE_STRIDE(large, plane) + left;
      guint8 *inner =
          (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(small, plane) + row * GST_VIDEO_FRAME_PLANE_STRIDE(small, plane);
      memcpy(back ? inner : outer, back ? outer : inner, (gsize)bytes);
    }
  }
}

/* In a larger frame of which only a part is visible, the overlay is where it is in a frame of that part alone. */
static void margins_are_not_drawn_on(void **state) {
  static const char *const formats[] = {"RGB", "I420", "NV12", "YUY2"};
  enum { X = 20, Y = 30, WIDE = 720, HIGH = 560 };
  for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
    gchar *caps = g_strdup_printf("video/x-raw,format=%s," SIZE, formats[i]);
    Rig *rig = rig_new("overlay=true cam=true", "chelsea.png", caps);
    GstBuffer *plain = rig_frame(rig), *buffer, *inside = gst_buffer_copy_deep(plain);
    GstVideoInfo info, wide;
    GstVideoFrame large, small;
    GstVideoCropMeta *crop;
    gst_video_info_from_caps(&info, gst_sample_get_caps(rig->picture));
    gst_video_info_set_format(&wide, GST_VIDEO_INFO_FORMAT(&info), WIDE, HIGH);
    buffer = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(&wide), NULL);
    gst_buffer_memset(buffer, 0, 90, GST_VIDEO_INFO_SIZE(&wide));
    gst_video_frame_map(&large, &wide, buffer, GST_MAP_READWRITE);
    gst_video_frame_map(&small, &info, gst_sample_get_buffer(rig->picture), GST_MAP_READ);
    copy_part(&large, &small, X, Y, FALSE);
    gst_video_frame_unmap(&small);
    gst_video_frame_unmap(&large);
    gst_buffer_add_video_meta_full(buffer, 0, GST_VIDEO_INFO_FORMAT(&info), WIDE, HIGH, GST_VIDEO_INFO_N_PLANES(&wide),
                                   wide.offset, wide.stride);
    crop = gst_buffer_add_video_crop_meta(buffer);
    crop->x = X;
    crop->y = Y;
    crop->width = GST_VIDEO_INFO_WIDTH(&info);
    crop->height = GST_VIDEO_INFO_HEIGHT(&info);
    buffer = gst_harness_push_and_pull(rig->harness, buffer);
    gst_video_frame_map(&large, &wide, buffer, GST_MAP_READ);
    gst_video_frame_map(&small, &info, inside, GST_MAP_READWRITE);
    copy_part(&large, &small, X, Y, TRUE);
    gst_video_frame_unmap(&small);
    gst_video_frame_unmap(&large);
    Image a = to_image(plain, gst_sample_get_caps(rig->picture)),
          b = to_image(inside, gst_sample_get_caps(rig->picture));
    assert_memory_equal(a.pixels, b.pixels, (gsize)a.width * a.height * 4);
    g_free(a.pixels);
    g_free(b.pixels);
    gst_buffer_unref(inside);
    gst_buffer_unref(buffer);
    gst_buffer_unref(plain);
    rig_free(rig);
    g_free(caps);
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
      cmocka_unit_test(cam_is_the_same_in_every_format),
      cmocka_unit_test(translucent_frames_stay_translucent),
      cmocka_unit_test(regions_may_begin_anywhere),
      cmocka_unit_test(odd_buffers_are_not_drawn_on),
      cmocka_unit_test(margins_are_not_drawn_on),
      cmocka_unit_test(downstream_may_draw_it),
      cmocka_unit_test(pixels_need_not_be_square),
  };
  gst_init(&argc, &argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
