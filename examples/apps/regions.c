/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detection, then classification region by region: says what is in each part of the picture that a detector has marked.
 *
 *   regions file:///home/me/film.mp4
 *
 * on_frame() stands in for the detector: it marks the left and the right half of each frame with a
 * GstVideoRegionOfInterestMeta, as a real one marks what it finds. With a detector that is an element, put that element
 * before resnet18classify and leave the probe out. The region's id, which a tracker gives out, tells objects apart.
 *
 * Build it anywhere with: cc regions.c $(pkg-config --cflags --libs gstreamer-resnet18-1.0 gstreamer-video-1.0) */
#include <gst/gst.h>
#include <gst/resnet18meta.h>
#include <gst/video/video.h>

static GstPadProbeReturn on_frame(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  GstBuffer *frame = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  GstCaps *caps = gst_pad_get_current_caps(pad);
  GstVideoInfo video;
  if (caps != NULL && gst_video_info_from_caps(&video, caps)) {
    const guint half = GST_VIDEO_INFO_WIDTH(&video) / 2, height = GST_VIDEO_INFO_HEIGHT(&video);
    for (gint i = 0; i < 2; i++)
      gst_buffer_add_video_region_of_interest_meta(frame, "object", (guint)i * half, 0, half, height)->id = i + 1;
  }
  gst_clear_caps(&caps);
  GST_PAD_PROBE_INFO_DATA(info) = frame;
  return GST_PAD_PROBE_OK;
}

/* From the streaming thread. */
static void on_classified(GstElement *classify, const GstStructure *result, gpointer data) {
  gint id, x, y, w, h;
  if (gst_resnet18_result_get_roi(result, &id, &x, &y, &w, &h))
    g_print("object %d at %d,%d %dx%d: %s %.3f\n", id, x, y, w, h, gst_resnet18_result_get_label(result),
            gst_resnet18_result_get_score(result));
}

static int play(GstElement *pipeline) {
  GstBus *bus = gst_element_get_bus(pipeline);
  GstElement *classify = gst_bin_get_by_name(GST_BIN(pipeline), "classify");
  GstPad *pad = gst_element_get_static_pad(classify, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, NULL, NULL);
  g_signal_connect(classify, "classified", G_CALLBACK(on_classified), NULL);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);

  GstMessage *end = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  int status = GST_MESSAGE_TYPE(end) == GST_MESSAGE_EOS ? 0 : 1;
  if (status != 0) {
    GError *error = NULL;
    gst_message_parse_error(end, &error, NULL);
    g_printerr("%s\n", error->message);
    g_error_free(error);
  }
  gst_message_unref(end);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pad);
  gst_object_unref(classify);
  gst_object_unref(bus);
  return status;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 2 || !gst_uri_is_valid(argv[1])) {
    g_printerr("usage: %s URI\n", argv[0]);
    return 2;
  }
  GError *error = NULL;
  GstElement *pipeline =
      gst_parse_launch("uridecodebin name=source caps=\"video/x-raw(ANY)\" expose-all-streams=false ! "
                       "videoconvert ! resnet18classify name=classify roi-source=meta max-rate=1/1 "
                       "top-k=1 ! fakesink",
                       &error);
  if (error != NULL) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    g_clear_object(&pipeline);
    return 1;
  }
  GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
  g_object_set(source, "uri", argv[1], NULL);
  gst_object_unref(source);
  int status = play(pipeline);
  gst_object_unref(pipeline);
  return status;
}
