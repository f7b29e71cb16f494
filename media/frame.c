/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A decoded frame -> the 224x224 picture that the network sees. */
#include "frame.h"

#include "picture.h"

#include <gst/video/video.h>
#include <string.h>

static const struct {
  GstVideoFormat from;
  resnet18_format to;
} formats[] = {
    {GST_VIDEO_FORMAT_RGB, RESNET18_FORMAT_RGB},     {GST_VIDEO_FORMAT_BGR, RESNET18_FORMAT_BGR},
    {GST_VIDEO_FORMAT_RGBx, RESNET18_FORMAT_RGBX},   {GST_VIDEO_FORMAT_RGBA, RESNET18_FORMAT_RGBX},
    {GST_VIDEO_FORMAT_BGRx, RESNET18_FORMAT_BGRX},   {GST_VIDEO_FORMAT_BGRA, RESNET18_FORMAT_BGRX},
    {GST_VIDEO_FORMAT_xRGB, RESNET18_FORMAT_XRGB},   {GST_VIDEO_FORMAT_ARGB, RESNET18_FORMAT_XRGB},
    {GST_VIDEO_FORMAT_xBGR, RESNET18_FORMAT_XBGR},   {GST_VIDEO_FORMAT_ABGR, RESNET18_FORMAT_XBGR},
    {GST_VIDEO_FORMAT_GRAY8, RESNET18_FORMAT_GRAY8}, {GST_VIDEO_FORMAT_I420, RESNET18_FORMAT_I420},
    {GST_VIDEO_FORMAT_YV12, RESNET18_FORMAT_I420},   {GST_VIDEO_FORMAT_NV12, RESNET18_FORMAT_NV12},
    {GST_VIDEO_FORMAT_NV21, RESNET18_FORMAT_NV21},   {GST_VIDEO_FORMAT_YUY2, RESNET18_FORMAT_YUY2},
    {GST_VIDEO_FORMAT_UYVY, RESNET18_FORMAT_UYVY},
};

struct frame_preparer {
  resnet18_preprocess_options options;
  resnet18_image_info info; /* of `tables` */
  resnet18_preprocessor *tables;
};

static void append_string(GValue *list, const char *string) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_string(&value, string);
  gst_value_list_append_and_take_value(list, &value);
}

GstCaps *frame_caps(void) {
  GValue list = G_VALUE_INIT;
  gst_value_list_init(&list, G_N_ELEMENTS(formats));
  for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
    append_string(&list, gst_video_format_to_string(formats[i].from));
  GstCaps *caps = gst_caps_new_simple("video/x-raw", "width", GST_TYPE_INT_RANGE, 1, FRAME_MAX_SIDE, "height",
                                      GST_TYPE_INT_RANGE, 1, FRAME_MAX_SIDE, NULL);
  gst_caps_set_value(caps, "format", &list);
  g_value_unset(&list);
  return caps;
}

frame_preparer *frame_preparer_new(const resnet18_preprocess_options *options) {
  frame_preparer *preparer = g_new0(frame_preparer, 1);
  preparer->options = *options;
  return preparer;
}

void frame_preparer_free(frame_preparer *preparer) {
  if (preparer)
    resnet18_preprocessor_free(preparer->tables);
  g_free(preparer);
}

/* What caps leave open is taken as the element takes it: BT.601, chroma on the left luma column. */
static resnet18_matrix matrix(const GstVideoInfo *video) {
  switch (video->colorimetry.matrix) {
  case GST_VIDEO_COLOR_MATRIX_BT709:
    return RESNET18_MATRIX_BT709;
  case GST_VIDEO_COLOR_MATRIX_BT2020:
    return RESNET18_MATRIX_BT2020;
  default:
    return RESNET18_MATRIX_BT601;
  }
}

static bool describe(const GstVideoInfo *video, resnet18_image_info *info) {
  GstVideoChromaSite site = GST_VIDEO_INFO_CHROMA_SITE(video);
  if (site == GST_VIDEO_CHROMA_SITE_UNKNOWN)
    site = GST_VIDEO_CHROMA_SITE_MPEG2;
  memset(info, 0, sizeof *info); /* compared as bytes */
  for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
    if (formats[i].from == GST_VIDEO_INFO_FORMAT(video)) {
      info->format = formats[i].to;
      info->width = (uint32_t)GST_VIDEO_INFO_WIDTH(video);
      info->height = (uint32_t)GST_VIDEO_INFO_HEIGHT(video);
      info->matrix = matrix(video);
      info->full_range = video->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
      info->chroma_left = (site & GST_VIDEO_CHROMA_SITE_H_COSITED) != 0;
      info->chroma_top = (site & GST_VIDEO_CHROMA_SITE_V_COSITED) != 0;
      return true;
    }
  return false;
}

/* Not memcmp: between the members may be anything. */
static bool same_info(const resnet18_image_info *a, const resnet18_image_info *b) {
  return a->format == b->format && a->width == b->width && a->height == b->height && a->matrix == b->matrix &&
         a->full_range == b->full_range && a->chroma_left == b->chroma_left && a->chroma_top == b->chroma_top;
}

static bool make_tables(frame_preparer *preparer, const GstVideoInfo *video, GError **error) {
  resnet18_image_info info;
  resnet18_error reason;
  if (!describe(video, &info)) {
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "frames in %s cannot be read",
                gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(video)));
    return false;
  }
  if (preparer->tables && same_info(&info, &preparer->info))
    return true;
  resnet18_preprocessor_free(preparer->tables);
  preparer->info = info;
  if (resnet18_preprocessor_new(&info, &preparer->options, &preparer->tables, &reason) == RESNET18_OK)
    return true;
  preparer->tables = NULL;
  g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "%s", reason.message);
  return false;
}

/* The engine wants Y, U, V; YV12 has its planes as Y, V, U. */
static void planes(const GstVideoFrame *frame, const uint8_t **plane, ptrdiff_t *stride) {
  const bool swap = GST_VIDEO_FRAME_FORMAT(frame) == GST_VIDEO_FORMAT_YV12;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(frame); i++) {
    guint from = swap && i > 0 ? 3 - i : i;
    plane[i] = GST_VIDEO_FRAME_PLANE_DATA(frame, from);
    stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE(frame, from);
  }
}

bool frame_preparer_run(frame_preparer *preparer, GstSample *sample, uint8_t *rgb, GError **error) {
  GstVideoInfo video;
  GstVideoFrame frame;
  const uint8_t *plane[GST_VIDEO_MAX_PLANES] = {NULL};
  ptrdiff_t stride[GST_VIDEO_MAX_PLANES] = {0};

  if (!gst_video_info_from_caps(&video, gst_sample_get_caps(sample)) || !make_tables(preparer, &video, error)) {
    if (error && *error == NULL)
      g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "the decoder does not say what its frames look like");
    return false;
  }
  if (!gst_video_frame_map(&frame, &video, gst_sample_get_buffer(sample), GST_MAP_READ)) {
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "a frame's memory cannot be read");
    return false;
  }
  planes(&frame, plane, stride);
  resnet18_preprocessor_run(preparer->tables, plane, stride, rgb);
  gst_video_frame_unmap(&frame);
  return true;
}

void frame_size(GstSample *sample, int *width, int *height) {
  const GstStructure *s = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
  *width = *height = 0;
  gst_structure_get(s, "width", G_TYPE_INT, width, "height", G_TYPE_INT, height, NULL);
}
