/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frame geometry. */
#include "frame.h"

#include <string.h>

/* Parts whose tables are kept. */
#define TABLES 16
/* Pictures that must be converted first are halved until the short side is below this. */
#define CONVERTED_SHORT 1024

typedef struct {
  gboolean direct;
  resnet18_format format;
  guint plane[3]; /* GStreamer's plane for each of the engine's */
} Layout;

/* The tables for one part of one kind of picture. */
typedef struct {
  GstResnet18Part part;
  resnet18_crop crop;
  resnet18_preprocessor *preprocessor;
  guint64 used; /* when, in reads; the one that was used least lately is replaced */
} Table;

struct _GstResnet18Frame {
  GstVideoInfo info; /* of the caps */
  Layout layout;
  GstVideoFrame mapped;
  gboolean is_converted;
  GstVideoRectangle visible; /* in the mapped frame */
  guint width, height;       /* of the mapped frame, invisible margins included */

  GstVideoConverter *converter; /* where the engine does not read the format itself */
  GstVideoInfo converted_info;
  GstBuffer *converted_buffer;
  GstVideoFrame converted;

  Table table[TABLES];
  guint64 reads;
};

#define R18(name) RESNET18_FORMAT_##name
static const struct {
  GstVideoFormat gst;
  Layout layout;
} layouts[] = {
    {GST_VIDEO_FORMAT_RGB, {TRUE, R18(RGB), {0, 0, 0}}},     {GST_VIDEO_FORMAT_BGR, {TRUE, R18(BGR), {0, 0, 0}}},
    {GST_VIDEO_FORMAT_RGBx, {TRUE, R18(RGBX), {0, 0, 0}}},   {GST_VIDEO_FORMAT_RGBA, {TRUE, R18(RGBX), {0, 0, 0}}},
    {GST_VIDEO_FORMAT_BGRx, {TRUE, R18(BGRX), {0, 0, 0}}},   {GST_VIDEO_FORMAT_BGRA, {TRUE, R18(BGRX), {0, 0, 0}}},
    {GST_VIDEO_FORMAT_xRGB, {TRUE, R18(XRGB), {0, 0, 0}}},   {GST_VIDEO_FORMAT_ARGB, {TRUE, R18(XRGB), {0, 0, 0}}},
    {GST_VIDEO_FORMAT_xBGR, {TRUE, R18(XBGR), {0, 0, 0}}},   {GST_VIDEO_FORMAT_ABGR, {TRUE, R18(XBGR), {0, 0, 0}}},
    {GST_VIDEO_FORMAT_GRAY8, {TRUE, R18(GRAY8), {0, 0, 0}}}, {GST_VIDEO_FORMAT_I420, {TRUE, R18(I420), {0, 1, 2}}},
    {GST_VIDEO_FORMAT_YV12, {TRUE, R18(I420), {0, 2, 1}}},   {GST_VIDEO_FORMAT_NV12, {TRUE, R18(NV12), {0, 1, 0}}},
    {GST_VIDEO_FORMAT_NV21, {TRUE, R18(NV21), {0, 1, 0}}},   {GST_VIDEO_FORMAT_YUY2, {TRUE, R18(YUY2), {0, 0, 0}}},
    {GST_VIDEO_FORMAT_UYVY, {TRUE, R18(UYVY), {0, 0, 0}}},
};

/* In the order in which they are taken where upstream leaves the choice: what decoders make and encoders take, which is
 * also the least to read; other colours that are read directly; what goes through the converter; grey, which has lost
 * the colours, last. A structure each, since only the order of structures outlives an intersection of caps. */
static const gchar *const preference[] = {
    "I420, YV12, NV12, NV21",
    "YUY2, UYVY",
    "RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, BGRA, ARGB, ABGR",
};

static gboolean is_preferred(const gchar *format) {
  for (gsize i = 0; i < G_N_ELEMENTS(preference); i++) {
    gchar **names = g_strsplit(preference[i], ", ", -1);
    const gboolean found = g_strv_contains((const gchar *const *)names, format);
    g_strfreev(names);
    if (found)
      return TRUE;
  }
  return FALSE;
}

/* GStreamer's order, and its colours before its greys. */
static gchar *other_formats(gboolean grey) {
  GString *list = g_string_new(NULL);
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw(&n);
  for (guint i = 0; i < n; i++) {
    const gchar *name = gst_video_format_to_string(formats[i]);
    if (GST_VIDEO_FORMAT_INFO_IS_GRAY(gst_video_format_get_info(formats[i])) != grey || is_preferred(name))
      continue;
    g_string_append_printf(list, "%s%s", list->len ? ", " : "", name);
  }
  return g_string_free(list, FALSE);
}

static void append_formats(GstCaps *caps, const gchar *features, const gchar *formats) {
  gchar *text = g_strdup_printf("video/x-raw%s, format = { %s }, width = " GST_VIDEO_SIZE_RANGE
                                ", height = " GST_VIDEO_SIZE_RANGE ", framerate = " GST_VIDEO_FPS_RANGE,
                                features, formats);
  gst_caps_append(caps, gst_caps_from_string(text));
  g_free(text);
}

static void append_all(GstCaps *caps, const gchar *features) {
  gchar *colours = other_formats(FALSE), *greys = other_formats(TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS(preference); i++)
    append_formats(caps, features, preference[i]);
  append_formats(caps, features, colours);
  append_formats(caps, features, greys);
  g_free(colours);
  g_free(greys);
}

GstCaps *gst_resnet18_frame_caps(void) {
  GstCaps *caps = gst_caps_new_empty();
  append_all(caps, "");
  append_all(caps,
             "(" GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY ", " GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION ")");
  return caps;
}

/* ---- What the caps say --------------------------------------------------------------------------------- */

static gboolean matrix_of(const GstVideoInfo *info, resnet18_matrix *matrix) {
  switch (info->colorimetry.matrix) {
  case GST_VIDEO_COLOR_MATRIX_BT709:
    *matrix = RESNET18_MATRIX_BT709;
    return TRUE;
  case GST_VIDEO_COLOR_MATRIX_BT2020:
    *matrix = RESNET18_MATRIX_BT2020;
    return TRUE;
  case GST_VIDEO_COLOR_MATRIX_BT601:
  case GST_VIDEO_COLOR_MATRIX_UNKNOWN:
    *matrix = RESNET18_MATRIX_BT601;
    return TRUE;
  default:
    return FALSE; /* FCC, SMPTE 240M: the converter knows them */
  }
}

/* Whether the engine gives this picture the colours that its colorimetry asks for. */
static gboolean colours_are_known(const GstVideoInfo *info) {
  resnet18_matrix matrix;
  if (GST_VIDEO_INFO_IS_YUV(info))
    return matrix_of(info, &matrix);
  return GST_VIDEO_INFO_IS_GRAY(info) || info->colorimetry.range != GST_VIDEO_COLOR_RANGE_16_235;
}

static Layout layout_of(const GstVideoInfo *info) {
  for (gsize i = 0; i < G_N_ELEMENTS(layouts); i++)
    if (layouts[i].gst == GST_VIDEO_INFO_FORMAT(info) && colours_are_known(info))
      return layouts[i].layout;
  return (Layout){FALSE, RESNET18_FORMAT_RGB, {0, 0, 0}};
}

/* What is classified, as the engine wants it described. Unknown chroma sites are taken as MPEG-2's, H.264's default. */
static resnet18_image_info image_info(const GstResnet18Frame *f) {
  const GstVideoInfo *info = &f->info;
  resnet18_image_info image = {.format = f->layout.format};
  image.width = f->layout.direct ? f->width : (guint)GST_VIDEO_INFO_WIDTH(&f->converted_info);
  image.height = f->layout.direct ? f->height : (guint)GST_VIDEO_INFO_HEIGHT(&f->converted_info);
  if (!f->layout.direct)
    return image;
  matrix_of(info, &image.matrix);
  image.full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  image.chroma_left =
      info->chroma_site == GST_VIDEO_CHROMA_SITE_UNKNOWN || (info->chroma_site & GST_VIDEO_CHROMA_SITE_H_COSITED);
  image.chroma_top = (info->chroma_site & GST_VIDEO_CHROMA_SITE_V_COSITED) != 0;
  return image;
}

/* ---- Conversion of what the engine does not read ------------------------------------------------------- */

static void drop_converter(GstResnet18Frame *f) {
  g_clear_pointer(&f->converter, gst_video_converter_free);
  gst_clear_buffer(&f->converted_buffer);
}

/* The whole mapped frame, its margins included, to RGB, halved while that leaves more than the network needs. */
static gboolean make_converter(GstResnet18Frame *f, resnet18_error *error) {
  GstVideoInfo from = f->info;
  gint width = f->width, height = f->height;
  GstStructure *config;
  gst_video_info_set_format(&from, GST_VIDEO_INFO_FORMAT(&f->info), width, height);
  from.colorimetry = f->info.colorimetry;
  from.chroma_site = f->info.chroma_site;
  while (MIN(width, height) >= CONVERTED_SHORT) {
    width /= 2;
    height /= 2;
  }
  gst_video_info_set_format(&f->converted_info, GST_VIDEO_FORMAT_RGB, width, height);
  config = gst_structure_new("config", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_VIDEO_RESAMPLER_METHOD,
                             GST_VIDEO_RESAMPLER_METHOD_LINEAR, GST_VIDEO_CONVERTER_OPT_ALPHA_MODE,
                             GST_TYPE_VIDEO_ALPHA_MODE, GST_VIDEO_ALPHA_MODE_SET, NULL);
  f->converter = gst_video_converter_new(&from, &f->converted_info, config);
  if (!f->converter) {
    error->status = RESNET18_ERROR_UNSUPPORTED;
    g_snprintf(error->message, sizeof error->message, "video format %s cannot be converted to RGB",
               GST_VIDEO_INFO_NAME(&f->info));
    return FALSE;
  }
  f->converted_buffer = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(&f->converted_info), NULL);
  return TRUE;
}

static void convert(GstResnet18Frame *f) {
  gst_video_frame_map(&f->converted, &f->converted_info, f->converted_buffer, GST_MAP_READWRITE);
  gst_video_converter_frame(f->converter, &f->mapped, &f->converted);
  f->is_converted = TRUE;
}

/* ---- Life ---------------------------------------------------------------------------------------------- */

static void drop_tables(GstResnet18Frame *f) {
  for (guint i = 0; i < TABLES; i++)
    resnet18_preprocessor_free(f->table[i].preprocessor);
  memset(f->table, 0, sizeof f->table);
}

/* The mapped frame's size, which a GstVideoMeta may make different from that of the caps. */
static gboolean set_size(GstResnet18Frame *f, guint width, guint height, resnet18_error *error) {
  if (width == f->width && height == f->height)
    return TRUE;
  drop_tables(f);
  drop_converter(f);
  f->width = width;
  f->height = height;
  if (f->layout.direct || make_converter(f, error))
    return TRUE;
  f->width = f->height = 0;
  return FALSE;
}

GstResnet18Frame *gst_resnet18_frame_new(const GstVideoInfo *info, resnet18_error *error) {
  GstResnet18Frame *f = g_new0(GstResnet18Frame, 1);
  f->info = *info;
  f->layout = layout_of(info);
  gst_video_info_init(&f->converted_info);
  if (set_size(f, GST_VIDEO_INFO_WIDTH(info), GST_VIDEO_INFO_HEIGHT(info), error))
    return f;
  gst_resnet18_frame_free(f);
  return NULL;
}

void gst_resnet18_frame_free(GstResnet18Frame *f) {
  if (!f)
    return;
  drop_tables(f);
  drop_converter(f);
  g_free(f);
}

/* ---- Mapping ------------------------------------------------------------------------------------------- */

static gboolean refuse(resnet18_error *error, const gchar *why) {
  error->status = RESNET18_ERROR_FORMAT;
  g_strlcpy(error->message, why, sizeof error->message);
  return FALSE;
}

/* Such as a DMABuf that only the GPU reads. */
static gboolean refuse_memory(resnet18_error *error, GstBuffer *buffer, const gchar *what_for) {
  const GstMemory *memory = gst_buffer_n_memory(buffer) ? gst_buffer_peek_memory(buffer, 0) : NULL;
  const gchar *type = memory && memory->allocator ? memory->allocator->mem_type : NULL;
  error->status = RESNET18_ERROR_FORMAT;
  g_snprintf(error->message, sizeof error->message, "the buffer's memory, of the type \"%s\", cannot be mapped for %s",
             type ? type : "unknown", what_for);
  return FALSE;
}

/* Bytes of a row of plane `plane`, margins left out; 0 where pixels do not have bytes of their own (v210). */
static gsize row_bytes(const GstVideoFrame *v, guint plane) {
  const GstVideoFormatInfo *format = v->info.finfo;
  gint component[GST_VIDEO_MAX_COMPONENTS];
  gsize bytes = 0;
  if (GST_VIDEO_FORMAT_INFO_IS_COMPLEX(format))
    return 0;
  gst_video_format_info_component(format, plane, component);
  for (guint i = 0; i < GST_VIDEO_MAX_COMPONENTS && component[i] >= 0; i++) {
    guint c = (guint)component[i];
    gsize width = GST_VIDEO_FORMAT_INFO_SCALE_WIDTH(format, c, GST_VIDEO_INFO_WIDTH(&v->info));
    bytes = MAX(bytes, width * GST_VIDEO_FORMAT_INFO_PSTRIDE(format, c));
  }
  return bytes;
}

static gboolean is_palette(const GstVideoFrame *v, guint plane) {
  return GST_VIDEO_FORMAT_INFO_HAS_PALETTE(v->info.finfo) && plane == 1;
}

static gsize plane_rows(const GstVideoFrame *v, guint plane) {
  gint component[GST_VIDEO_MAX_COMPONENTS];
  gst_video_format_info_component(v->info.finfo, plane, component);
  return GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(v->info.finfo, component[0], GST_VIDEO_INFO_HEIGHT(&v->info));
}

/* Bytes from the plane's first pixel to the end of the memory that is mapped for it. */
static gsize plane_room(const GstVideoFrame *v, guint plane) {
  const GstMapInfo *map = &v->map[v->meta ? plane : 0];
  const guint8 *data = v->data[plane];
  return data < map->data || data > map->data + map->size ? 0 : (gsize)(map->data + map->size - data);
}

/* gst_video_frame_map believes a GstVideoMeta; the pixels must lie in the buffer. */
static gboolean planes_fit(const GstVideoFrame *v) {
  if (GST_VIDEO_FORMAT_INFO_IS_TILED(v->info.finfo))
    return TRUE; /* the stride counts tiles */
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES(v); p++) {
    const gsize rows = is_palette(v, p) ? 1 : plane_rows(v, p), room = plane_room(v, p);
    const gsize width = is_palette(v, p) ? 256 * 4 : row_bytes(v, p);
    const gssize stride = GST_VIDEO_FRAME_PLANE_STRIDE(v, p);
    const gsize behind = (rows - 1) * (gsize)ABS(stride);
    if ((gsize)ABS(stride) < width && rows > 1)
      return FALSE;
    if (stride >= 0 && (room < width || room - width < behind))
      return FALSE;
    if (stride < 0 && (room < width || (gsize)GST_VIDEO_FRAME_PLANE_OFFSET(v, p) < behind))
      return FALSE;
  }
  return TRUE;
}

/* Margins that a decoder left around the picture. */
static gboolean find_visible(GstResnet18Frame *f, GstBuffer *buffer) {
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
  const guint width = GST_VIDEO_FRAME_WIDTH(&f->mapped), height = GST_VIDEO_FRAME_HEIGHT(&f->mapped);
  f->visible = (GstVideoRectangle){0, 0, width, height};
  if (!crop)
    return TRUE;
  if (crop->x >= width || crop->y >= height)
    return FALSE;
  f->visible =
      (GstVideoRectangle){crop->x, crop->y, MIN(crop->width, width - crop->x), MIN(crop->height, height - crop->y)};
  return f->visible.w > 0 && f->visible.h > 0;
}

/* Without the checks, gst_video_frame_map would complain to the log for each frame. */
static gboolean plausible(const GstVideoInfo *info, GstBuffer *buffer) {
  const GstVideoMeta *meta = gst_buffer_get_video_meta(buffer);
  if (!meta)
    return gst_buffer_get_size(buffer) >= GST_VIDEO_INFO_SIZE(info);
  return meta->format == GST_VIDEO_INFO_FORMAT(info) && meta->n_planes == GST_VIDEO_INFO_N_PLANES(info) &&
         meta->width >= (guint)GST_VIDEO_INFO_WIDTH(info) && meta->height >= (guint)GST_VIDEO_INFO_HEIGHT(info) &&
         meta->width <= 65535 && meta->height <= 65535;
}

gboolean gst_resnet18_frame_map_buffer(GstVideoFrame *mapped, const GstVideoInfo *info, GstBuffer *buffer,
                                       GstMapFlags flags, resnet18_error *error) {
  if (!plausible(info, buffer))
    return refuse(error, "the buffer does not hold what its caps or its GstVideoMeta say");
  if (!gst_video_frame_map(mapped, info, buffer, flags | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return refuse_memory(error, buffer, flags & GST_MAP_WRITE ? "writing" : "reading");
  if (planes_fit(mapped))
    return TRUE;
  gst_video_frame_unmap(mapped);
  return refuse(error, "the buffer is smaller than its caps or its GstVideoMeta say");
}

gboolean gst_resnet18_frame_map(GstResnet18Frame *f, GstBuffer *buffer, resnet18_error *error) {
  if (!gst_resnet18_frame_map_buffer(&f->mapped, &f->info, buffer, GST_MAP_READ, error))
    return FALSE;
  f->is_converted = FALSE;
  if (!find_visible(f, buffer))
    refuse(error, "the part that its GstVideoCropMeta makes visible lies outside the buffer's picture");
  else if (set_size(f, GST_VIDEO_FRAME_WIDTH(&f->mapped), GST_VIDEO_FRAME_HEIGHT(&f->mapped), error))
    return TRUE;
  gst_video_frame_unmap(&f->mapped);
  return FALSE;
}

void gst_resnet18_frame_unmap(GstResnet18Frame *f) {
  if (f->is_converted)
    gst_video_frame_unmap(&f->converted);
  f->is_converted = FALSE;
  gst_video_frame_unmap(&f->mapped);
}

void gst_resnet18_frame_size(const GstResnet18Frame *f, guint *width, guint *height) {
  *width = f->visible.w;
  *height = f->visible.h;
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

/* A part of the visible picture, cut to it, in pixels of what the preprocessor reads. False if nothing is left. */
static gboolean locate(const GstResnet18Frame *f, const GstResnet18Part *part, GstResnet18Part *located) {
  const GstVideoRectangle *v = &f->visible;
  gdouble sx = f->layout.direct ? 1.0 : (gdouble)GST_VIDEO_INFO_WIDTH(&f->converted_info) / f->width;
  gdouble sy = f->layout.direct ? 1.0 : (gdouble)GST_VIDEO_INFO_HEIGHT(&f->converted_info) / f->height;
  gdouble left = CLAMP(part->x, 0, v->w), right = part->w > 0 ? CLAMP(part->x + part->w, 0, v->w) : v->w;
  gdouble top = CLAMP(part->y, 0, v->h), bottom = part->w > 0 ? CLAMP(part->y + part->h, 0, v->h) : v->h;
  *located = (GstResnet18Part){(v->x + left) * sx, (v->y + top) * sy, (right - left) * sx, (bottom - top) * sy};
  return located->w > 0 && located->h > 0;
}

static gboolean same_part(const GstResnet18Part *a, const GstResnet18Part *b) {
  return a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h;
}

static Table *find_table(GstResnet18Frame *f, const GstResnet18Part *part, resnet18_crop crop) {
  Table *oldest = &f->table[0];
  for (guint i = 0; i < TABLES; i++) {
    Table *t = &f->table[i];
    if (t->preprocessor && t->crop == crop && same_part(&t->part, part))
      return t;
    if (t->used < oldest->used)
      oldest = t;
  }
  resnet18_preprocessor_free(oldest->preprocessor);
  *oldest = (Table){.part = *part, .crop = crop};
  return oldest;
}

static resnet18_preprocessor *preprocessor_for(GstResnet18Frame *f, const GstResnet18Part *part, resnet18_crop crop,
                                               resnet18_error *error) {
  Table *t = find_table(f, part, crop);
  t->used = ++f->reads;
  if (!t->preprocessor) {
    resnet18_image_info image = image_info(f);
    resnet18_preprocess_options options = {
        .crop = crop, .x = part->x, .y = part->y, .width = part->w, .height = part->h};
    if (resnet18_preprocessor_new(&image, &options, &t->preprocessor, error) != RESNET18_OK)
      t->preprocessor = NULL;
  }
  return t->preprocessor;
}

static void run(GstResnet18Frame *f, resnet18_preprocessor *preprocessor, guint8 *rgb) {
  const GstVideoFrame *from = f->layout.direct ? &f->mapped : &f->converted;
  const guint8 *plane[3];
  ptrdiff_t stride[3];
  for (guint i = 0; i < 3; i++) {
    plane[i] = GST_VIDEO_FRAME_PLANE_DATA(from, f->layout.plane[i]);
    stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE(from, f->layout.plane[i]);
  }
  resnet18_preprocessor_run(preprocessor, plane, stride, rgb);
}

gboolean gst_resnet18_frame_read(GstResnet18Frame *f, const GstResnet18Part *part, resnet18_crop crop, guint8 *rgb,
                                 resnet18_error *error) {
  resnet18_preprocessor *preprocessor;
  GstResnet18Part located;
  if (!locate(f, part, &located))
    return refuse(error, "the part to classify lies outside the picture");
  preprocessor = preprocessor_for(f, &located, crop, error);
  if (!preprocessor)
    return FALSE;
  if (!f->layout.direct && !f->is_converted)
    convert(f);
  run(f, preprocessor, rgb);
  return TRUE;
}
