/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a camera's picture, with what is on it written on it, an RTSP stream that any player, recorder or video wall
 * opens like a camera.
 *
 *   restream rtsp://camera/stream          then: vlc rtsp://127.0.0.1:8554/labelled
 *   restream rtsp://camera/stream 0.0.0.0 8554
 *
 * Without an address, only this machine can watch. The camera is read, and classified, while somebody watches; all who
 * watch share that.
 *
 * Build it anywhere with: cc restream.c $(pkg-config --cflags --libs gstreamer-rtsp-server-1.0) */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <signal.h>
#include <stdio.h>

/* A key frame every two seconds, so that who comes later does not wait longer for a picture. */
static GstRTSPMediaFactory *make_factory(const gchar *uri) {
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gchar *quoted = g_strescape(uri, NULL);
  gchar *text = g_strdup_printf(
      "( uridecodebin uri=\"%s\" caps=\"video/x-raw(ANY)\" expose-all-streams=false ! videoconvert ! queue ! "
      "resnet18classify mode=async max-rate=5/1 overlay=true ! videoconvert ! "
      "x264enc tune=zerolatency speed-preset=veryfast bitrate=2000 key-int-max=50 ! "
      "rtph264pay name=pay0 config-interval=-1 )",
      quoted);
  gst_rtsp_media_factory_set_launch(factory, text);
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  g_free(text);
  g_free(quoted);
  return factory;
}

static gboolean on_interrupt(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc < 2 || argc > 4 || !gst_uri_is_valid(argv[1])) {
    g_printerr("usage: %s URI [ADDRESS [PORT]]\n", argv[0]);
    return 2;
  }
  const gchar *address = argc > 2 ? argv[2] : "127.0.0.1", *port = argc > 3 ? argv[3] : "8554";
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  GstRTSPServer *server = gst_rtsp_server_new();
  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, "/labelled", make_factory(argv[1]));
  g_object_unref(mounts);
  gst_rtsp_server_set_address(server, address);
  gst_rtsp_server_set_service(server, port);
  int status = 1;
  guint source = gst_rtsp_server_attach(server, NULL);
  if (source == 0) {
    g_printerr("%s, port %s: cannot be opened\n", address, port);
  } else {
    setvbuf(stdout, NULL, _IOLBF, 0);
    g_print("rtsp://%s:%d/labelled\n", address, gst_rtsp_server_get_bound_port(server));
    g_unix_signal_add(SIGINT, on_interrupt, loop);
    g_unix_signal_add(SIGTERM, on_interrupt, loop);
    g_main_loop_run(loop);
    g_source_remove(source);
    status = 0;
  }
  g_object_unref(server);
  g_main_loop_unref(loop);
  return status;
}
