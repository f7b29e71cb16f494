/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A camera for tests: serves an H.264 file, or what a description in gst-launch's language makes, prints its URL, and
 * ends when its standard input does.
 *
 *   rtsp_server FILE.mp4|DESCRIPTION [PORT [ADDRESS [USER PASSWORD]]]
 *
 * A description ends in a payloader named pay0. PORT 0 is any that is free; ADDRESS is 127.0.0.1 unless given. */
#include "../end_of_input.h"

#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <stdio.h>
#include <string.h>

/* Who does not name the user and the password is answered 401. */
static void protect(GstRTSPServer *server, GstRTSPMediaFactory *factory, const gchar *user, const gchar *password) {
  GstRTSPAuth *auth = gst_rtsp_auth_new();
  GstRTSPToken *token = gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, "viewer", NULL);
  gchar *basic = gst_rtsp_auth_make_basic(user, password);
  gst_rtsp_auth_add_basic(auth, basic, token);
  gst_rtsp_media_factory_add_role(factory, "viewer", GST_RTSP_PERM_MEDIA_FACTORY_ACCESS, G_TYPE_BOOLEAN, TRUE,
                                  GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, G_TYPE_BOOLEAN, TRUE, NULL);
  gst_rtsp_server_set_auth(server, auth);
  g_free(basic);
  gst_rtsp_token_unref(token);
  g_object_unref(auth);
}

static gchar *description_of(const gchar *what) {
  if (strstr(what, " ! "))
    return g_strdup_printf("( %s )", what);
  gchar *quoted = g_strescape(what, NULL);
  gchar *launch = g_strdup_printf(
      "( filesrc location=\"%s\" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )", quoted);
  g_free(quoted);
  return launch;
}

static GstRTSPServer *serve(const gchar *what, const gchar *port, const gchar *address, gchar **user) {
  GstRTSPServer *server = gst_rtsp_server_new();
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gchar *launch = description_of(what);
  gst_rtsp_media_factory_set_launch(factory, launch);
  g_free(launch);
  if (user)
    protect(server, factory, user[0], user[1]);

  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, "/clip", factory);
  g_object_unref(mounts);
  gst_rtsp_server_set_address(server, address);
  gst_rtsp_server_set_service(server, port);
  return server;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc < 2 || argc == 5 || argc > 6) {
    fprintf(stderr, "usage: %s FILE.mp4|DESCRIPTION [PORT [ADDRESS [USER PASSWORD]]]\n", argv[0]);
    return 2;
  }
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  const gchar *address = argc > 3 ? argv[3] : "127.0.0.1";
  GstRTSPServer *server = serve(argv[1], argc > 2 ? argv[2] : "0", address, argc > 5 ? argv + 4 : NULL);
  guint source = gst_rtsp_server_attach(server, NULL);
  int status = 1;
  if (source != 0) {
    quit_at_end_of_input(loop);
    printf("rtsp://%s:%d/clip\n", address, gst_rtsp_server_get_bound_port(server));
    fflush(stdout);
    g_main_loop_run(loop);
    g_source_remove(source);
    status = 0;
  } else {
    fprintf(stderr, "no port can be opened on %s\n", address);
  }
  g_object_unref(server);
  g_main_loop_unref(loop);
  return status;
}
