/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drawing pictures into frames. */
#include "blend.h"

#include <math.h>
#include <string.h>

/* What of a plane the picture covers. */
typedef struct {
  gint row, rows;
  gsize first, bytes; /* of each row */
  guint8 *keep, *add; /* rows x bytes: what is left of the frame's byte, in 255ths, and what comes to it */
  guint across, down; /* log2 of the pixels that share the plane's coarsest samples, and bytes between two of those */
  gsize step;
} Part;

struct _GstResnet18Layer {
  Part part[GST_VIDEO_MAX_PLANES];
  guint n_planes;
  gboolean has_alpha;
  guint alpha; /* which byte of four */
};

/* A picture, cut to the frame. */
typedef struct {
  const guint8 *pixels;
  gsize stride;
  gint x, y, width, height;
} Picture;

/* ---- Colours ------------------------------------------------------------------------------------------- */

static gboolean is_rgb(const GstVideoInfo *info) {
  return !GST_VIDEO_INFO_IS_YUV(info) && !GST_VIDEO_INFO_IS_GRAY(info);
}

/* Rows of R, G, B of 0..1 to the components, before offset and scale. */
static void matrix_of(const GstVideoInfo *info, gdouble rows[3][3]) {
  static const gdouble identity[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  gdouble kr, kb, kg;
  memcpy(rows, identity, sizeof identity);
  if (is_rgb(info))
    return;
  if (!gst_video_color_matrix_get_Kr_Kb(info->colorimetry.matrix, &kr, &kb)) {
    kr = 0.299;
    kb = 0.114;
  }
  kg = 1 - kr - kb;
  const gdouble yuv[3][3] = {{kr, kg, kb},
                             {-kr / (2 * (1 - kb)), -kg / (2 * (1 - kb)), 0.5},
                             {0.5, -kg / (2 * (1 - kr)), -kb / (2 * (1 - kr))}};
  memcpy(rows, yuv, sizeof yuv);
}

/* From R, G, B (0..255, alpha multiplied in) and alpha to a component's byte times alpha / 255; in 65536ths. */
typedef struct {
  gint32 r, g, b, a;
} Weights;

/* AYUV stands for all of YUV and grey: its offsets are those of any 8 bits. */
static void range_of(const GstVideoInfo *info, gint *offset, gint *scale) {
  gst_video_color_range_offsets(info->colorimetry.range,
                                gst_video_format_get_info(is_rgb(info) ? GST_VIDEO_FORMAT_RGB : GST_VIDEO_FORMAT_AYUV),
                                offset, scale);
}

/* The fourth is alpha itself. */
static void weights_of(const GstVideoInfo *info, Weights weights[4]) {
  gint offset[GST_VIDEO_MAX_COMPONENTS], scale[GST_VIDEO_MAX_COMPONENTS];
  gdouble rows[3][3];
  matrix_of(info, rows);
  range_of(info, offset, scale);
  for (guint c = 0; c < 3; c++) {
    const gdouble one = 65536.0 / 255.0;
    weights[c] = (Weights){(gint32)lround(rows[c][0] * scale[c] * one), (gint32)lround(rows[c][1] * scale[c] * one),
                           (gint32)lround(rows[c][2] * scale[c] * one), (gint32)lround(offset[c] * one)};
  }
  weights[3] = (Weights){0, 0, 0, 65536};
}

static guint8 to_byte(gdouble value) {
  return (guint8)CLAMP(value + 0.5, 0, 255);
}

typedef struct {
  gboolean is_rgb;
  gdouble rows[3][3];
  gint offset[GST_VIDEO_MAX_COMPONENTS], scale[GST_VIDEO_MAX_COMPONENTS];
} Matrix;

/* Alpha not multiplied in. */
static guint32 prepare(const Matrix *m, guint32 argb) {
  const gdouble whole = argb >> 24 ? argb >> 24 : G_MAXDOUBLE;
  const gdouble rgb[3] = {((argb >> 16) & 255) / whole, ((argb >> 8) & 255) / whole, (argb & 255) / whole};
  guint8 bytes[4] = {argb >> 24};
  guint32 ayuv;
  if (m->is_rgb)
    return (argb & 0xff000000) | (guint32)to_byte(255 * rgb[0]) << 16 | (guint32)to_byte(255 * rgb[1]) << 8 |
           to_byte(255 * rgb[2]);
  for (guint c = 0; c < 3; c++)
    bytes[c + 1] = to_byte(m->offset[c] +
                           m->scale[c] * (m->rows[c][0] * rgb[0] + m->rows[c][1] * rgb[1] + m->rows[c][2] * rgb[2]));
  memcpy(&ayuv, bytes, sizeof ayuv);
  return ayuv;
}

/* Most pixels are like their neighbour. */
void gst_resnet18_blend_prepare(const GstVideoInfo *info, guint32 *pixels, gsize n) {
  Matrix matrix = {.is_rgb = is_rgb(info)};
  guint32 from = 0, to;
  matrix_of(info, matrix.rows);
  range_of(info, matrix.offset, matrix.scale);
  to = prepare(&matrix, 0);
  for (gsize i = 0; i < n; i++) {
    if (pixels[i] != from) {
      from = pixels[i];
      to = prepare(&matrix, from);
    }
    pixels[i] = to;
  }
}

/* ---- Into the frame's samples -------------------------------------------------------------------------- */

static gboolean has_four_bytes(const GstVideoFormatInfo *format) {
  return GST_VIDEO_FORMAT_INFO_N_PLANES(format) == 1 && GST_VIDEO_FORMAT_INFO_N_COMPONENTS(format) == 4 &&
         GST_VIDEO_FORMAT_INFO_PSTRIDE(format, 0) == 4;
}

gboolean gst_resnet18_layer_suits(const GstVideoInfo *info) {
  const GstVideoFormatInfo *format = info->finfo;
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE(format) || GST_VIDEO_FORMAT_INFO_IS_COMPLEX(format) ||
      GST_VIDEO_FORMAT_INFO_IS_TILED(format))
    return FALSE;
  if (GST_VIDEO_FORMAT_INFO_HAS_ALPHA(format) && !has_four_bytes(format))
    return FALSE;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(format); c++)
    if (GST_VIDEO_FORMAT_INFO_DEPTH(format, c) != 8 || GST_VIDEO_FORMAT_INFO_SHIFT(format, c) != 0)
      return FALSE;
  return TRUE;
}

/* The samples of a component that the picture touches, in one dimension. */
static gint first_sample(gint at, guint sub) {
  return at >> sub;
}

static gint end_sample(gint at, gint size, guint sub) {
  return ((at + size - 1) >> sub) + 1;
}

/* Untouched where no component lies. */
static void make_part(Part *part, const GstVideoFormatInfo *format, guint plane, const Picture *p) {
  gsize first = G_MAXSIZE, end = 0;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(format); c++) {
    const guint across = GST_VIDEO_FORMAT_INFO_W_SUB(format, c), down = GST_VIDEO_FORMAT_INFO_H_SUB(format, c);
    const gsize step = (gsize)GST_VIDEO_FORMAT_INFO_PSTRIDE(format, c);
    if (GST_VIDEO_FORMAT_INFO_PLANE(format, c) != plane)
      continue;
    first = MIN(first, (gsize)first_sample(p->x, across) * step);
    end = MAX(end, (gsize)end_sample(p->x, p->width, across) * step);
    part->row = first_sample(p->y, down);
    part->rows = end_sample(p->y, p->height, down) - part->row;
    part->down = down;
    if (across >= part->across) {
      part->across = across;
      part->step = step;
    }
  }
  part->first = first;
  part->bytes = end - first;
  part->keep = g_malloc((gsize)part->rows * part->bytes);
  part->add = g_malloc0((gsize)part->rows * part->bytes);
  memset(part->keep, 255, (gsize)part->rows * part->bytes);
}

/* The channels of some pixels, added up: red and blue, alpha and green, with 16 bits for each. */
typedef struct {
  guint32 rb, ag;
} Sum;

static inline Sum add_pixel(Sum sum, guint32 argb) {
  return (Sum){sum.rb + (argb & 0x00ff00ff), sum.ag + (argb >> 8 & 0x00ff00ff)};
}

/* What a byte of the frame is multiplied with, and what comes to it. */
typedef struct {
  guint8 keep, add;
} Sample;

/* The mean of 2^n pixels. */
static inline Sample sample_of(const Weights *w, Sum s, guint n) {
  const gint32 alpha = (gint32)((s.ag >> 16) + ((1u << n) >> 1)) >> n;
  const gint32 value = w->r * (gint32)(s.rb >> 16) + w->g * (gint32)(s.ag & 0xffff) + w->b * (gint32)(s.rb & 0xffff) +
                       w->a * (gint32)(s.ag >> 16);
  const gint32 rounded = (value + (1 << (15 + n))) >> (16 + n);
  return (Sample){(guint8)(255 - alpha), (guint8)CLAMP(rounded, 0, alpha)};
}

/* Where a component has a sample for each pixel. Most pixels are like their neighbour, here and below. */
static void fill_row(const Picture *p, gint y, const Weights *w, guint8 *keep, guint8 *add, gsize step) {
  const guint32 *from = (const guint32 *)(gconstpointer)(p->pixels + (gsize)y * p->stride);
  guint32 last = 0;
  Sample sample = {255, 0};
  for (gint x = 0; x < p->width; x++, keep += step, add += step) {
    if (from[x] != last) {
      last = from[x];
      sample = sample_of(w, add_pixel((Sum){0, 0}, last), 0);
    }
    *keep = sample.keep;
    *add = sample.add;
  }
}

/* The pixels of the picture under a sample; those outside it count as clear. */
static Sum sum_under(const Picture *p, gint x, gint y, guint across, guint down) {
  const gint left = MAX((x << across) - p->x, 0), right = MIN(((x + 1) << across) - p->x, p->width);
  const gint top = MAX((y << down) - p->y, 0), bottom = MIN(((y + 1) << down) - p->y, p->height);
  Sum sum = {0, 0};
  for (gint j = top; j < bottom; j++) {
    const guint32 *row = (const guint32 *)(gconstpointer)(p->pixels + (gsize)j * p->stride);
    for (gint i = left; i < right; i++)
      sum = add_pixel(sum, row[i]);
  }
  return sum;
}

/* Where several pixels share a sample. */
static void fill_shared_row(const Picture *p, gint y, guint across, guint down, const Weights *w, guint8 *keep,
                            guint8 *add, gsize step) {
  const gint left = first_sample(p->x, across), right = end_sample(p->x, p->width, across);
  Sum last = {0, 0};
  Sample sample = {255, 0};
  for (gint x = left; x < right; x++, keep += step, add += step) {
    const Sum sum = sum_under(p, x, y, across, down);
    if (sum.rb != last.rb || sum.ag != last.ag) {
      last = sum;
      sample = sample_of(w, sum, across + down);
    }
    *keep = sample.keep;
    *add = sample.add;
  }
}

static void fill_component(Part *part, const GstVideoFormatInfo *format, guint c, const Weights *w, const Picture *p) {
  const guint across = GST_VIDEO_FORMAT_INFO_W_SUB(format, c), down = GST_VIDEO_FORMAT_INFO_H_SUB(format, c);
  const gsize step = (gsize)GST_VIDEO_FORMAT_INFO_PSTRIDE(format, c);
  const gsize offset = (gsize)first_sample(p->x, across) * step + (gsize)GST_VIDEO_FORMAT_INFO_POFFSET(format, c);
  for (gint y = 0; y < part->rows; y++) {
    guint8 *keep = part->keep + (gsize)y * part->bytes + (offset - part->first);
    guint8 *add = part->add + (gsize)y * part->bytes + (offset - part->first);
    if (across + down == 0)
      fill_row(p, y, w, keep, add, step);
    else
      fill_shared_row(p, part->row + y, across, down, w, keep, add, step);
  }
}

static gboolean cut(Picture *p, gint width, gint height) {
  const gint left = MAX(p->x, 0), right = MIN(p->x + p->width, width);
  const gint top = MAX(p->y, 0), bottom = MIN(p->y + p->height, height);
  if (left >= right || top >= bottom)
    return FALSE;
  p->pixels += (gsize)(top - p->y) * p->stride + (gsize)(left - p->x) * 4;
  *p = (Picture){p->pixels, p->stride, left, top, right - left, bottom - top};
  return TRUE;
}

GstResnet18Layer *gst_resnet18_layer_new(const GstVideoInfo *info, const guint8 *argb, gsize stride, gint width,
                                         gint height, gint x, gint y) {
  const GstVideoFormatInfo *format = info->finfo;
  Picture picture = {argb, stride, x, y, width, height};
  GstResnet18Layer *layer;
  Weights weights[4];
  if (!cut(&picture, GST_VIDEO_INFO_WIDTH(info), GST_VIDEO_INFO_HEIGHT(info)))
    return NULL;
  layer = g_new0(GstResnet18Layer, 1);
  layer->n_planes = GST_VIDEO_INFO_N_PLANES(info);
  layer->has_alpha = GST_VIDEO_FORMAT_INFO_HAS_ALPHA(format);
  if (layer->has_alpha)
    layer->alpha = (guint)GST_VIDEO_FORMAT_INFO_POFFSET(format, GST_VIDEO_COMP_A);
  weights_of(info, weights);
  for (guint plane = 0; plane < layer->n_planes; plane++)
    make_part(&layer->part[plane], format, plane, &picture);
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(format); c++)
    fill_component(&layer->part[GST_VIDEO_FORMAT_INFO_PLANE(format, c)], format, c, &weights[c], &picture);
  return layer;
}

void gst_resnet18_layer_free(GstResnet18Layer *layer) {
  for (guint plane = 0; plane < layer->n_planes; plane++) {
    g_free(layer->part[plane].keep);
    g_free(layer->part[plane].add);
  }
  g_free(layer);
}

/* ---- Drawing ------------------------------------------------------------------------------------------- */

/* to * keep / 255, rounded, + add; 16 bits hold all of it. */
static void blend_row(guint8 *restrict to, const guint8 *restrict keep, const guint8 *restrict add, gsize n) {
  for (gsize i = 0; i < n; i++) {
    const guint16 v = (guint16)(to[i] * keep[i] + 128);
    to[i] = (guint8)(((guint16)(v + (v >> 8)) >> 8) + add[i]);
  }
}

static gboolean is_opaque(const guint8 *pixels, gsize n, guint alpha) {
  guint8 all = 255;
  for (gsize i = alpha; i < n; i += 4)
    all &= pixels[i];
  return all == 255;
}

/* On frames that are translucent themselves, whose colours do not have their alpha multiplied in. */
static void blend_translucent(guint8 *to, const guint8 *keep, const guint8 *add, guint alpha) {
  const guint32 theirs = (guint32)to[alpha] * keep[alpha], ours = (guint32)(255 - keep[alpha]) * 255;
  if (theirs + ours == 0)
    return;
  for (guint i = 0; i < 4; i++)
    if (i != alpha)
      to[i] = (guint8)MIN(255, (to[i] * theirs + add[i] * 65025u + (theirs + ours) / 2) / (theirs + ours));
  to[alpha] = (guint8)((theirs + ours + 127) / 255);
}

static void blend_any_row(const GstResnet18Layer *layer, guint8 *to, const guint8 *keep, const guint8 *add, gsize n) {
  if (!layer->has_alpha || is_opaque(to, n, layer->alpha))
    blend_row(to, keep, add, n);
  else
    for (gsize i = 0; i < n; i += 4)
      blend_translucent(to + i, keep + i, add + i, layer->alpha);
}

void gst_resnet18_layer_blend(const GstResnet18Layer *layer, GstVideoFrame *frame, guint x, guint y) {
  for (guint plane = 0; plane < layer->n_planes; plane++) {
    const Part *part = &layer->part[plane];
    const gssize stride = GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane);
    guint8 *to = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(frame, plane);
    to += (part->row + (gssize)(y >> part->down)) * stride + (gssize)(part->first + (x >> part->across) * part->step);
    for (gint row = 0; row < part->rows; row++)
      blend_any_row(layer, to + row * stride, part->keep + (gsize)row * part->bytes,
                    part->add + (gsize)row * part->bytes, part->bytes);
  }
}
