/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The result on the picture. */
#include "overlay.h"
#include "blend.h"
#include "cam.h"
#include "frame.h"
#include "resnet18meta.h"

#include <pango/pangocairo.h>
#include <string.h>

/* Type size and margin in parts of the picture's shorter side; pixels below which text cannot be read. */
#define TYPE_SIZE (1.0 / 22)
#define TYPE_MIN 9.0
#define MARGIN (1.0 / 30)
/* Widest panel, in parts of the picture's width. */
#define PANEL_MAX 0.62
/* The rest in units of the type size. */
#define PAD_X 0.75
#define PAD_Y 0.42
#define LINE 1.8
#define GAP 1.1
#define RADIUS 0.55
#define BAR 0.12
/* Pixels across a heat map that is stretched by who draws it. */
#define HEAT_SIDE 112

typedef struct {
  gchar *label;
  guint percent;
} Line;

/* One block of lines: about the frame, or about a region of it. */
typedef struct {
  Line line[GST_RESNET18_MAX_TOP_K];
  guint n_lines;
  gboolean regional;
  GstVideoRectangle region; /* pixels */
  gboolean has_cam;
  gfloat cam[GST_RESNET18_CAM_CELLS];
  GstVideoRectangle cam_area;
} Panel;

struct _GstResnet18Overlay {
  GstVideoInfo info;
  gboolean attach;
  PangoFontMap *fonts;
  PangoContext *context;

  Panel panel[GST_RESNET18_MAX_REGIONS];
  guint n_panels;
  gchar *font;
  guint color;
  GstResnet18Position position;

  /* The picture: as an overlay composition, or as layers where it is drawn into the frames here. */
  gboolean drawn;
  GstVideoOverlayComposition *composition;
  GPtrArray *layers; /* GstResnet18Layer */
};

GstResnet18Overlay *gst_resnet18_overlay_new(void) {
  GstResnet18Overlay *o = g_new0(GstResnet18Overlay, 1);
  gst_video_info_init(&o->info);
  o->fonts = pango_cairo_font_map_new();
  o->context = pango_font_map_create_context(o->fonts);
  o->layers = g_ptr_array_new_with_free_func((GDestroyNotify)gst_resnet18_layer_free);
  return o;
}

static void forget_picture(GstResnet18Overlay *o) {
  g_clear_pointer(&o->composition, gst_video_overlay_composition_unref);
  g_ptr_array_set_size(o->layers, 0);
  o->drawn = FALSE;
}

static void forget_lines(GstResnet18Overlay *o) {
  for (guint p = 0; p < o->n_panels; p++)
    for (guint i = 0; i < o->panel[p].n_lines; i++)
      g_free(o->panel[p].line[i].label);
  o->n_panels = 0;
}

void gst_resnet18_overlay_free(GstResnet18Overlay *o) {
  if (!o)
    return;
  forget_picture(o);
  forget_lines(o);
  g_ptr_array_unref(o->layers);
  g_free(o->font);
  g_object_unref(o->context);
  g_object_unref(o->fonts);
  g_free(o);
}

void gst_resnet18_overlay_set_info(GstResnet18Overlay *o, const GstVideoInfo *info, gboolean attach) {
  o->info = *info;
  o->attach = attach;
  forget_picture(o);
}

/* ---- What is shown ------------------------------------------------------------------------------------- */

static guint percent_of(gdouble score) {
  return (guint)(CLAMP(score, 0.0, 1.0) * 100.0 + 0.5);
}

/* Whether the result has a map, which is copied. */
static gboolean read_cam(const GstStructure *result, gfloat *cam) {
  const GValue *array = gst_structure_get_value(result, "cam");
  if (!array || gst_value_array_get_size(array) != GST_RESNET18_CAM_CELLS)
    return FALSE;
  for (guint i = 0; i < GST_RESNET18_CAM_CELLS; i++)
    cam[i] = (gfloat)g_value_get_double(gst_value_array_get_value(array, i));
  return TRUE;
}

static Panel describe(const GstStructure *result, const GstResnet18Region *region, const GstResnet18Settings *s) {
  Panel panel = {.regional = region->source >= GST_RESNET18_REGION_META,
                 .region = {region->x, region->y, region->w, region->h}};
  panel.n_lines = MIN(gst_resnet18_result_get_n_classes(result), panel.regional ? 1 : s->overlay_top);
  panel.has_cam = s->cam && read_cam(result, panel.cam);
  panel.cam_area = gst_resnet18_cam_area(&panel.region, s->crop);
  for (guint i = 0; i < panel.n_lines; i++) {
    GstResnet18Class c;
    gst_resnet18_result_get_class(result, i, &c);
    panel.line[i] = (Line){(gchar *)c.label, percent_of(c.score)}; /* the result's string */
  }
  return panel;
}

static gboolean same_panel(const Panel *a, const Panel *b) {
  if (a->n_lines != b->n_lines || a->regional != b->regional)
    return FALSE;
  if (a->regional && memcmp(&a->region, &b->region, sizeof a->region) != 0)
    return FALSE;
  /* Bytes, so that a value that equals nothing, itself included, is not drawn again with each frame. */
  /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
  if (a->has_cam != b->has_cam || (a->has_cam && memcmp(a->cam, b->cam, sizeof a->cam) != 0) ||
      memcmp(&a->cam_area, &b->cam_area, sizeof a->cam_area) != 0)
    return FALSE;
  for (guint i = 0; i < a->n_lines; i++)
    if (a->line[i].percent != b->line[i].percent || strcmp(a->line[i].label, b->line[i].label) != 0)
      return FALSE;
  return TRUE;
}

static gboolean same_style(const GstResnet18Overlay *o, const GstResnet18Settings *s) {
  return o->color == s->overlay_color && o->position == s->overlay_position && g_strcmp0(o->font, s->overlay_font) == 0;
}

static void keep(GstResnet18Overlay *o, const Panel *panel) {
  Panel *kept = &o->panel[o->n_panels++];
  *kept = *panel;
  for (guint i = 0; i < kept->n_lines; i++)
    kept->line[i].label = g_strdup(panel->line[i].label);
}

void gst_resnet18_overlay_set_results(GstResnet18Overlay *o, GstResnet18Report *const *reports,
                                      const GstResnet18Regions *regions, const GstResnet18Settings *s) {
  gboolean same = same_style(o, s) && o->n_panels == regions->n;
  Panel panel[GST_RESNET18_MAX_REGIONS];
  for (guint i = 0; i < regions->n; i++) {
    panel[i] = describe(reports[i]->structure, &regions->region[i], s);
    same = same && same_panel(&panel[i], &o->panel[i]);
  }
  if (same)
    return;
  forget_lines(o);
  for (guint i = 0; i < regions->n; i++)
    keep(o, &panel[i]);
  g_free(o->font);
  o->font = g_strdup(s->overlay_font);
  o->color = s->overlay_color;
  o->position = s->overlay_position;
  forget_picture(o);
}

/* ---- Drawing ------------------------------------------------------------------------------------------- */

/* Sizes in pixels of a picture with square pixels. */
typedef struct {
  gdouble type, line, width, height; /* of the panel */
  gdouble label_width, score_width;
  gdouble picture_width, picture_height, margin;
  gdouble stretch; /* pixels of the frame for one square pixel, horizontally */
} Metrics;

static PangoLayout *new_layout(GstResnet18Overlay *o, const Metrics *m, const gchar *text, gboolean strong) {
  PangoLayout *layout = pango_layout_new(o->context);
  PangoFontDescription *font = pango_font_description_from_string(o->font ? o->font : "Sans");
  pango_font_description_set_absolute_size(font, m->type * PANGO_SCALE);
  if (strong && pango_font_description_get_weight(font) == PANGO_WEIGHT_NORMAL)
    pango_font_description_set_weight(font, PANGO_WEIGHT_BOLD);
  pango_layout_set_font_description(layout, font);
  pango_font_description_free(font);
  pango_layout_set_single_paragraph_mode(layout, TRUE);
  pango_layout_set_text(layout, text, -1);
  return layout;
}

static gdouble text_width(GstResnet18Overlay *o, const Metrics *m, const gchar *text, gboolean strong) {
  PangoLayout *layout = new_layout(o, m, text, strong);
  gint width;
  pango_layout_get_pixel_size(layout, &width, NULL);
  g_object_unref(layout);
  return width;
}

/* A size in the font description is taken as it is, points as pixels at 96 dpi. */
static gdouble type_size(const GstResnet18Overlay *o, gdouble shorter) {
  PangoFontDescription *font = pango_font_description_from_string(o->font ? o->font : "Sans");
  gdouble size = (gdouble)pango_font_description_get_size(font) / PANGO_SCALE;
  if (size > 0 && !pango_font_description_get_size_is_absolute(font))
    size *= 96.0 / 72.0;
  pango_font_description_free(font);
  return size > 0 ? CLAMP(size, 4.0, 512.0) : MAX(shorter * TYPE_SIZE, TYPE_MIN);
}

static void measure(GstResnet18Overlay *o, const Panel *panel, Metrics *m) {
  gdouble widest = 0, room;
  gint par_n = MAX(1, GST_VIDEO_INFO_PAR_N(&o->info)), par_d = MAX(1, GST_VIDEO_INFO_PAR_D(&o->info));
  m->stretch = CLAMP((gdouble)par_d / par_n, 0.1, 10.0);
  m->picture_width = GST_VIDEO_INFO_WIDTH(&o->info) / m->stretch;
  m->picture_height = GST_VIDEO_INFO_HEIGHT(&o->info);
  m->type = type_size(o, MIN(m->picture_width, m->picture_height));
  m->margin = MIN(m->picture_width, m->picture_height) * MARGIN;
  m->line = m->type * LINE;
  m->score_width = text_width(o, m, "100 %", TRUE);
  for (guint i = 0; i < panel->n_lines; i++)
    widest = MAX(widest, text_width(o, m, panel->line[i].label, i == 0));
  room = MAX(m->picture_width * PANEL_MAX, MIN(m->picture_width - 2 * m->margin, m->type * 14));
  room -= 2 * PAD_X * m->type + GAP * m->type + m->score_width;
  m->label_width = MAX(MIN(widest, room), m->type);
  m->width = m->label_width + GAP * m->type + m->score_width + 2 * PAD_X * m->type;
  m->height = panel->n_lines * m->line + 2 * PAD_Y * m->type;
}

static void rounded_rectangle(cairo_t *c, gdouble x, gdouble y, gdouble w, gdouble h, gdouble r) {
  r = MIN(r, MIN(w, h) / 2);
  cairo_new_sub_path(c);
  cairo_arc(c, x + w - r, y + r, r, -G_PI_2, 0);
  cairo_arc(c, x + w - r, y + h - r, r, 0, G_PI_2);
  cairo_arc(c, x + r, y + h - r, r, G_PI_2, G_PI);
  cairo_arc(c, x + r, y + r, r, G_PI, 3 * G_PI_2);
  cairo_close_path(c);
}

static void set_color(cairo_t *c, guint argb, gdouble alpha) {
  cairo_set_source_rgba(c, ((argb >> 16) & 255) / 255.0, ((argb >> 8) & 255) / 255.0, (argb & 255) / 255.0,
                        (argb >> 24) / 255.0 * alpha);
}

/* Light text stands on a dark panel, dark text on a light one. */
static void set_panel_color(cairo_t *c, guint argb) {
  gdouble luma = 0.2126 * ((argb >> 16) & 255) + 0.7152 * ((argb >> 8) & 255) + 0.0722 * (argb & 255);
  if (luma >= 96)
    cairo_set_source_rgba(c, 0.04, 0.05, 0.07, 0.70);
  else
    cairo_set_source_rgba(c, 0.96, 0.96, 0.97, 0.74);
}

static void show(cairo_t *c, PangoLayout *layout, gdouble x, gdouble middle) {
  gint height;
  pango_layout_get_pixel_size(layout, NULL, &height);
  cairo_move_to(c, x, middle - height / 2.0);
  pango_cairo_show_layout(c, layout);
  g_object_unref(layout);
}

static void draw_line(GstResnet18Overlay *o, const Panel *panel, cairo_t *c, const Metrics *m, guint i) {
  const Line *line = &panel->line[i];
  gdouble left = PAD_X * m->type, right = m->width - PAD_X * m->type, bar = MAX(BAR * m->type, 1.0);
  gdouble top = PAD_Y * m->type + i * m->line, middle = top + (m->line - bar) / 2;
  gdouble strength = i == 0 ? 1.0 : 0.82;
  gchar *percent = g_strdup_printf("%u %%", line->percent);
  PangoLayout *label = new_layout(o, m, line->label, i == 0), *score = new_layout(o, m, percent, i == 0);
  gint score_width;
  pango_layout_set_width(label, m->label_width * PANGO_SCALE + PANGO_SCALE);
  pango_layout_set_ellipsize(label, PANGO_ELLIPSIZE_END);
  pango_layout_get_pixel_size(score, &score_width, NULL);
  set_color(c, o->color, strength);
  show(c, label, left, middle);
  show(c, score, right - score_width, middle);
  rounded_rectangle(c, left, top + m->line - bar * 1.5, right - left, bar, bar / 2);
  set_color(c, o->color, 0.18);
  cairo_fill(c);
  if (line->percent) {
    rounded_rectangle(c, left, top + m->line - bar * 1.5, (right - left) * line->percent / 100.0, bar, bar / 2);
    set_color(c, o->color, strength);
    cairo_fill(c);
  }
  g_free(percent);
}

static cairo_surface_t *draw_panel(GstResnet18Overlay *o, const Panel *panel, const Metrics *m) {
  cairo_surface_t *surface =
      cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (gint)(m->width * m->stretch + 0.999), (gint)(m->height + 0.999));
  cairo_t *c = cairo_create(surface);
  cairo_scale(c, m->stretch, 1.0);
  rounded_rectangle(c, 0, 0, m->width, m->height, RADIUS * m->type);
  set_panel_color(c, o->color);
  cairo_fill(c);
  pango_cairo_update_context(c, o->context);
  for (guint i = 0; i < panel->n_lines; i++)
    draw_line(o, panel, c, m, i);
  cairo_destroy(c);
  cairo_surface_flush(surface);
  return surface;
}

/* ---- From the surface to the frame --------------------------------------------------------------------- */

static GstBuffer *pixels_of(const GstResnet18Overlay *o, cairo_surface_t *surface) {
  const gboolean is_yuv = GST_VIDEO_INFO_IS_YUV(&o->info) || GST_VIDEO_INFO_IS_GRAY(&o->info);
  guint width = cairo_image_surface_get_width(surface), height = cairo_image_surface_get_height(surface);
  gsize stride = cairo_image_surface_get_stride(surface), size = (gsize)width * 4 * height;
  const guint8 *from = cairo_image_surface_get_data(surface);
  guint8 *to = g_malloc(size);
  GstBuffer *buffer;
  for (guint y = 0; y < height; y++)
    memcpy(to + (gsize)y * width * 4, from + y * stride, (gsize)width * 4);
  if (!o->attach)
    gst_resnet18_blend_prepare(&o->info, (guint32 *)(gpointer)to, size / 4);
  buffer = gst_buffer_new_wrapped(to, size);
  gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE,
                            !o->attach && is_yuv ? GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_YUV
                                                 : GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB,
                            width, height);
  return buffer;
}

static gdouble place(gdouble room, gdouble size, gdouble margin, gint where) {
  gdouble at = where < 0 ? margin : where > 0 ? room - size - margin : (room - size) / 2;
  return CLAMP(at, 0, MAX(0, room - size));
}

static void position_of(GstResnet18Position position, gint *horizontal, gint *vertical) {
  static const gint table[][2] = {{-1, -1}, {0, -1}, {1, -1}, {0, 0}, {-1, 1}, {0, 1}, {1, 1}};
  *horizontal = table[position][0];
  *vertical = table[position][1];
}

static gboolean makes_layers(const GstResnet18Overlay *o) {
  return !o->attach && gst_resnet18_layer_suits(&o->info);
}

static void add_layer(GstResnet18Overlay *o, cairo_surface_t *surface, gint x, gint y) {
  GstResnet18Layer *layer = gst_resnet18_layer_new(
      &o->info, cairo_image_surface_get_data(surface), (gsize)cairo_image_surface_get_stride(surface),
      cairo_image_surface_get_width(surface), cairo_image_surface_get_height(surface), x, y);
  if (layer)
    g_ptr_array_add(o->layers, layer);
}

/* Stretched to the rectangle. */
static void add_rectangle(GstResnet18Overlay *o, cairo_surface_t *surface, const GstVideoRectangle *to) {
  GstBuffer *pixels = pixels_of(o, surface);
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw(
      pixels, to->x, to->y, (guint)to->w, (guint)to->h,
      o->attach ? GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA : GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  gst_video_overlay_composition_add_rectangle(o->composition, rectangle);
  gst_video_overlay_rectangle_unref(rectangle);
  gst_buffer_unref(pixels);
}

/* Takes the surface; it has the rectangle's size where layers are made. */
static void add_surface(GstResnet18Overlay *o, cairo_surface_t *surface, const GstVideoRectangle *to) {
  if (makes_layers(o))
    add_layer(o, surface, to->x, to->y);
  else
    add_rectangle(o, surface, to);
  cairo_surface_destroy(surface);
}

static void add_bar(GstResnet18Overlay *o, gint x, gint y, gint w, gint h) {
  const GstVideoRectangle to = {x, y, w, h};
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, w, h);
  cairo_t *c = cairo_create(surface);
  set_color(c, o->color, 0.9);
  cairo_paint(c);
  cairo_destroy(c);
  cairo_surface_flush(surface);
  add_surface(o, surface, &to);
}

/* The region's outline, as four bars so that the blending touches no pixel inside. */
static void add_outline(GstResnet18Overlay *o, const GstVideoRectangle *r, gint thick) {
  thick = MIN(thick, MIN(r->w, r->h) / 2);
  if (thick < 1)
    return;
  add_bar(o, r->x, r->y, r->w, thick);
  add_bar(o, r->x, r->y + r->h - thick, r->w, thick);
  if (r->h == 2 * thick)
    return;
  add_bar(o, r->x, r->y + thick, thick, r->h - 2 * thick);
  add_bar(o, r->x + r->w - thick, r->y + thick, thick, r->h - 2 * thick);
}

/* What of the map lies on the region. */
static void add_cam(GstResnet18Overlay *o, const Panel *panel) {
  const GstVideoRectangle *area = &panel->cam_area, *r = &panel->region;
  const gint left = MAX(area->x, r->x), right = MIN(area->x + area->w, r->x + r->w);
  const gint top = MAX(area->y, r->y), bottom = MIN(area->y + area->h, r->y + r->h);
  const GstVideoRectangle to = {left, top, right - left, bottom - top};
  const gint most = makes_layers(o) ? G_MAXINT : HEAT_SIDE;
  const gint width = MIN(to.w, most), height = MIN(to.h, most);
  cairo_surface_t *surface;
  if (width < 2 || height < 2)
    return;
  surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
  gst_resnet18_cam_draw(panel->cam, area, &to, width, height, cairo_image_surface_get_data(surface),
                        (gsize)cairo_image_surface_get_stride(surface));
  cairo_surface_mark_dirty(surface);
  add_surface(o, surface, &to);
}

static void add_panel(GstResnet18Overlay *o, const Panel *panel) {
  gint horizontal, vertical;
  gdouble x, y;
  Metrics m;
  measure(o, panel, &m);
  position_of(o->position, &horizontal, &vertical);
  x = place(m.picture_width, m.width, m.margin, horizontal) * m.stretch;
  y = place(m.picture_height, m.height, m.margin, vertical);
  if (panel->regional) {
    const gint thick = MAX(2, (gint)(m.type / 8));
    add_outline(o, &panel->region, thick);
    x = CLAMP(panel->region.x + thick, 0, MAX(0, (m.picture_width - m.width) * m.stretch));
    y = CLAMP(panel->region.y + thick, 0, MAX(0, m.picture_height - m.height));
  }
  if (panel->n_lines) {
    cairo_surface_t *surface = draw_panel(o, panel, &m);
    const GstVideoRectangle to = {(gint)x, (gint)y, cairo_image_surface_get_width(surface),
                                  cairo_image_surface_get_height(surface)};
    add_surface(o, surface, &to);
  }
}

static void draw(GstResnet18Overlay *o) {
  if (!makes_layers(o))
    o->composition = gst_video_overlay_composition_new(NULL);
  for (guint i = 0; i < o->n_panels; i++)
    if (o->panel[i].has_cam)
      add_cam(o, &o->panel[i]);
  for (guint i = 0; i < o->n_panels; i++)
    add_panel(o, &o->panel[i]);
  o->drawn = TRUE;
}

/* An overlay that is already there stays: ours comes on top. */
static void attach(GstResnet18Overlay *o, GstBuffer *buffer) {
  GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta(buffer);
  if (!meta) {
    gst_buffer_add_video_overlay_composition_meta(buffer, o->composition);
    return;
  }
  meta->overlay = gst_video_overlay_composition_make_writable(meta->overlay);
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles(o->composition); i++)
    gst_video_overlay_composition_add_rectangle(meta->overlay,
                                                gst_video_overlay_composition_get_rectangle(o->composition, i));
}

/* Into the part of the frame that is visible, where a decoder left margins around it. */
static void blend_layers(GstResnet18Overlay *o, GstVideoFrame *frame) {
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(frame->buffer);
  const guint x = crop ? crop->x : 0, y = crop ? crop->y : 0;
  if (x > (guint)(GST_VIDEO_FRAME_WIDTH(frame) - GST_VIDEO_INFO_WIDTH(&o->info)) ||
      y > (guint)(GST_VIDEO_FRAME_HEIGHT(frame) - GST_VIDEO_INFO_HEIGHT(&o->info)))
    return;
  for (guint i = 0; i < o->layers->len; i++)
    gst_resnet18_layer_blend(g_ptr_array_index(o->layers, i), frame, x, y);
}

static gboolean blend(GstResnet18Overlay *o, GstBuffer *buffer, resnet18_error *error) {
  GstVideoFrame frame;
  if (!gst_resnet18_frame_map_buffer(&frame, &o->info, buffer, GST_MAP_READWRITE, error))
    return FALSE;
  if (o->composition)
    gst_video_overlay_composition_blend(o->composition, &frame);
  else
    blend_layers(o, &frame);
  gst_video_frame_unmap(&frame);
  return TRUE;
}

gboolean gst_resnet18_overlay_apply(GstResnet18Overlay *o, GstBuffer *buffer, resnet18_error *error) {
  if (o->n_panels == 0)
    return TRUE;
  if (!o->drawn)
    draw(o);
  if (o->composition ? gst_video_overlay_composition_n_rectangles(o->composition) == 0 : o->layers->len == 0)
    return TRUE;
  if (!o->attach)
    return blend(o, buffer, error);
  attach(o, buffer);
  return TRUE;
}
