/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A camera for tests: serves an H.264 file on 127.0.0.1, prints its URL, and ends when its standard input does.
 *
 *   rtsp_server FILE.mp4 [PORT]     without PORT, any that is free */
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <stdio.h>

static gboolean on_input(GIOChannel *channel, GIOCondition condition, gpointer loop) {
  gchar byte;
  gsize got = 0;
  if (g_io_channel_read_chars(channel, &byte, 1, &got, NULL) == G_IO_STATUS_NORMAL)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

static GstRTSPServer *serve(const gchar *file, const gchar *port) {
  GstRTSPServer *server = gst_rtsp_server_new();
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gchar *quoted = g_strescape(file, NULL);
  gchar *launch = g_strdup_printf(
      "( filesrc location=\"%s\" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )", quoted);
  gst_rtsp_media_factory_set_launch(factory, launch);
  g_free(launch);
  g_free(quoted);

  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, "/clip", factory);
  g_object_unref(mounts);
  gst_rtsp_server_set_address(server, "127.0.0.1");
  gst_rtsp_server_set_service(server, port);
  return server;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: %s FILE.mp4 [PORT]\n", argv[0]);
    return 2;
  }
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  GstRTSPServer *server = serve(argv[1], argc > 2 ? argv[2] : "0");
  guint source = gst_rtsp_server_attach(server, NULL);
  int status = 1;
  if (source != 0) {
    GIOChannel *input = g_io_channel_unix_new(0);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, loop);
    g_io_channel_unref(input);
    printf("rtsp://127.0.0.1:%d/clip\n", gst_rtsp_server_get_bound_port(server));
    fflush(stdout);
    g_main_loop_run(loop);
    g_source_remove(source);
    status = 0;
  } else {
    fprintf(stderr, "no port can be opened on 127.0.0.1\n");
  }
  g_object_unref(server);
  g_main_loop_unref(loop);
  return status;
}
