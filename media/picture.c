/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A still picture's bytes -> its pixels.
 *
 * gdkpixbufdec decodes JPEG, PNG, GIF and BMP, rather than the elements that decodebin would pick. jpegdec halves the
 * chroma of 4:4:4 pictures and uses libjpeg's fast, inexact DCT, so that up to 179 of 255 levels separate it from every
 * program that lets libjpeg make RGB; pngdec swaps the bytes of 16-bit pictures; the GIF demuxer of gstreamer1.0-libav
 * never ends a file of one frame; for BMP, decodebin knows gstreamer1.0-libav alone. */
#include "picture.h"

#include "encoded.h"
#include "frame.h"
#include "pipeline.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/base/gsttypefindhelper.h>
#include <gst/tag/tag.h>
#include <gst/video/video.h>
#include <string.h>

/* Larger pictures are refused before memory is taken for their pixels (a file of some kilobytes can claim any size).
 * 256 megapixels are 0.8 GB. */
static const gint64 max_pixels = 256 << 20;

G_DEFINE_QUARK(resnet18 - media - error, media_error)

static bool is_type(const GstCaps *type, const char *name) {
  return gst_structure_has_name(gst_caps_get_structure(type, 0), name);
}

GstCaps *picture_type(GBytes *bytes) {
  gsize size;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  GstTypeFindProbability probability;
  return size ? gst_type_find_helper_for_data(NULL, data, size, &probability) : NULL;
}

bool picture_is_still(const GstCaps *type) {
  const char *name = gst_structure_get_name(gst_caps_get_structure(type, 0));
  return g_str_has_prefix(name, "image/");
}

/* The kinds that gdkpixbufdec decodes, and whose bytes are looked at first; ENCODED_NOTHING is left to decodebin. */
static encoded_kind kind_of(const GstCaps *type) {
  return is_type(type, "image/jpeg")  ? ENCODED_JPEG
         : is_type(type, "image/png") ? ENCODED_PNG
         : is_type(type, "image/gif") ? ENCODED_GIF
         : is_type(type, "image/bmp") ? ENCODED_BMP
                                      : ENCODED_NOTHING;
}

/* ---- Checks before decoding ---------------------------------------------------------------------------- */

static bool check_size(GBytes *bytes, const GstCaps *type, GError **error) {
  const GstStructure *s = gst_caps_get_structure(type, 0);
  gsize size;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  guint32 width = 0, height = 0;
  gint w, h;
  if (is_type(type, "image/png"))
    encoded_png_size(data, size, &width, &height);
  else if (gst_structure_get_int(s, "width", &w) && gst_structure_get_int(s, "height", &h) && w > 0 && h > 0) {
    width = (guint32)w;
    height = (guint32)h;
  }
  if (width <= FRAME_MAX_SIDE && height <= FRAME_MAX_SIDE && (gint64)width * height <= max_pixels)
    return true;
  g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "a picture of %u x %u pixels is too large", width, height);
  return false;
}

static bool check_whole(GBytes *bytes, const GstCaps *type, GError **error) {
  gsize size;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  const encoded_kind kind = kind_of(type);
  if (encoded_is_whole(kind, data, size))
    return true;
  g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "the %s picture is cut short", encoded_name(kind));
  return false;
}

/* EXIF's eight orientations as videoflip's methods. */
static GstVideoOrientationMethod orientation(GBytes *bytes, const GstCaps *type) {
  gsize size, exif_size;
  const guint8 *data = g_bytes_get_data(bytes, &size), *exif;
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY;
  if (!is_type(type, "image/jpeg") || !encoded_jpeg_exif(data, size, &exif, &exif_size))
    return method;
  GstBuffer *buffer = gst_buffer_new_memdup(exif, exif_size);
  GstTagList *tags = gst_tag_list_from_exif_buffer_with_tiff_header(buffer);
  if (tags) {
    gst_video_orientation_from_tag(tags, &method);
    gst_tag_list_unref(tags);
  }
  gst_buffer_unref(buffer);
  return method;
}

/* ---- Decoding ------------------------------------------------------------------------------------------ */

/* *any: its pixels may be in any format; gdkpixbufdec's are RGB or RGBA. */
static GstElement *make_decoder(const GstCaps *type, bool *any) {
  GstElement *decoder = NULL;
  if (kind_of(type) != ENCODED_NOTHING)
    decoder = gst_element_factory_make("gdkpixbufdec", NULL);
  *any = decoder == NULL;
  return decoder ? decoder : gst_element_factory_make("decodebin", NULL);
}

static void link_decoded(GstElement *decoder, GstPad *pad, gpointer tail) {
  GstPad *sink = gst_element_get_static_pad(tail, "sink");
  if (!gst_pad_is_linked(sink))
    gst_pad_link(pad, sink);
  gst_object_unref(sink);
}

/* *appsrc and *sink live as long as the pipeline. */
static GstElement *make_pipeline(GBytes *bytes, const GstCaps *type, GstVideoOrientationMethod method,
                                 GstElement **appsrc, GstAppSink **sink, GError **error) {
  bool any;
  GstElement *pipeline = pipeline_new();
  GstElement *source = gst_element_factory_make("appsrc", NULL), *decoder = make_decoder(type, &any);
  GstElement *tail = pipeline_tail(method, any, sink, error);
  if (tail == NULL || source == NULL || decoder == NULL) {
    if (tail)
      g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_UNKNOWN, "GStreamer's base plugins are not installed");
    g_clear_pointer(&tail, gst_object_unref);
    g_clear_pointer(&source, gst_object_unref);
    g_clear_pointer(&decoder, gst_object_unref);
    g_clear_pointer(&pipeline, gst_object_unref);
    return NULL;
  }
  gst_bin_add_many(GST_BIN(pipeline), source, decoder, tail, NULL);
  /* gdkpixbufdec's template leaves JPEG and GIF out although it decodes them, so the source says nothing about the
   * type. */
  gst_element_link(source, decoder);
  if (!gst_element_link(decoder, tail)) /* decodebin: its pads come later */
    g_signal_connect(decoder, "pad-added", G_CALLBACK(link_decoded), tail);
  GstBuffer *buffer = gst_buffer_new_wrapped_bytes(bytes);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  gst_app_src_push_buffer(GST_APP_SRC(source), buffer);
  gst_app_src_end_of_stream(GST_APP_SRC(source));
  *appsrc = source;
  return pipeline;
}

GstSample *picture_decode(GBytes *bytes, const GstCaps *type, bool upright, GError **error) {
  if (!check_size(bytes, type, error) || !check_whole(bytes, type, error))
    return NULL;
  GstVideoOrientationMethod method = upright ? orientation(bytes, type) : GST_VIDEO_ORIENTATION_IDENTITY;
  GstAppSink *sink = NULL;
  GstElement *source = NULL, *pipeline = make_pipeline(bytes, type, method, &source, &sink, error);
  if (pipeline == NULL)
    return NULL;
  GstSample *sample = pipeline_pull(pipeline, sink, error);
  if (sample == NULL && error && *error == NULL)
    g_set_error(error, MEDIA_ERROR, MEDIA_ERROR_DAMAGED, "no picture could be decoded from it");
  if (sample == NULL)
    pipeline_await_source(source);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return sample;
}
