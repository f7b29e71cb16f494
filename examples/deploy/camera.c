/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A camera to try things with: serves a gst-launch line at rtsp://ADDRESS:PORT/, to all viewers alike.
 *
 *   camera PORT 'LAUNCH LINE'     the line ends in a payloader that is named pay0 */
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <glib-unix.h>
#include <stdio.h>

static gboolean stop(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 3) {
    fprintf(stderr, "usage: %s PORT 'LAUNCH LINE'\n", argv[0]);
    return 2;
  }
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  GstRTSPServer *server = gst_rtsp_server_new();
  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gst_rtsp_media_factory_set_launch(factory, argv[2]);
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  gst_rtsp_mount_points_add_factory(mounts, "/", factory);
  g_object_unref(mounts);
  gst_rtsp_server_set_address(server, "0.0.0.0");
  gst_rtsp_server_set_service(server, argv[1]);
  g_unix_signal_add(SIGTERM, stop, loop);
  g_unix_signal_add(SIGINT, stop, loop);
  guint source = gst_rtsp_server_attach(server, NULL);
  if (source == 0) {
    fprintf(stderr, "port %s cannot be opened\n", argv[1]);
  } else {
    fprintf(stderr, "rtsp://0.0.0.0:%d/\n", gst_rtsp_server_get_bound_port(server));
    g_main_loop_run(loop);
    g_source_remove(source);
  }
  g_object_unref(server);
  g_main_loop_unref(loop);
  return source == 0;
}
