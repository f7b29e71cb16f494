/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many cameras for tests, in one process: motion JPEG of 320x240 pixels at 5 frames a second by RTSP on 127.0.0.1.
 * Prints their common URL, ends when its standard input does, and for each line of that prints what each has done so
 * far.
 *
 *   rtsp_fleet COUNT
 *
 *   /steady-0 ... /steady-(COUNT-1)   as a camera should be
 *   /slow                             a frame in four seconds
 *   /silent                           stays connected after five seconds, and sends no more
 *   /flapping, of the second URL      hangs up after three seconds, and can be had again */
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 5, PERIOD = 200 }; /* milliseconds between two frames */

typedef struct {
  char *name;
  guint period;        /* milliseconds, a multiple of PERIOD */
  guint most;          /* frames of a connection; 0 = no limit */
  GstRTSPServer *ends; /* that hangs up then; NULL: is silent */
  guint connected;     /* how often */
  guint frames;        /* sent, of all connections */
} camera;

/* One that is connected. */
typedef struct {
  camera *camera;
  GstElement *source;
  guint ticks, frames;
} connection;

static GstBuffer *pictures[PICTURES];
static GstCaps *kind;

/* ---- Pictures ------------------------------------------------------------------------------------------ */

static gboolean make_pictures(void) {
  char text[256];
  snprintf(text, sizeof text,
           "videotestsrc num-buffers=%d pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=5/1 ! "
           "jpegenc ! "
           "appsink name=sink sync=false",
           PICTURES);
  GstElement *pipeline = gst_parse_launch(text, NULL);
  GstElement *sink = pipeline ? gst_bin_get_by_name(GST_BIN(pipeline), "sink") : NULL;
  if (sink == NULL)
    return FALSE;
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  for (int i = 0; i < PICTURES; i++) {
    GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink), 10 * GST_SECOND);
    if (sample == NULL)
      return FALSE;
    pictures[i] = gst_buffer_copy_deep(gst_sample_get_buffer(sample));
    GST_BUFFER_PTS(pictures[i]) = GST_BUFFER_DTS(pictures[i]) = GST_BUFFER_DURATION(pictures[i]) = GST_CLOCK_TIME_NONE;
    gst_caps_replace(&kind, gst_sample_get_caps(sample));
    gst_sample_unref(sample);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  return TRUE;
}

/* ---- Connections --------------------------------------------------------------------------------------- */

static GstRTSPFilterResult hang_up(GstRTSPServer *server, GstRTSPClient *client, gpointer user) {
  return GST_RTSP_FILTER_REMOVE;
}

static gboolean send_frame(gpointer user) {
  connection *c = user;
  const camera *const about = c->camera;
  if (GST_STATE(c->source) != GST_STATE_PLAYING)
    return G_SOURCE_CONTINUE;
  if (about->most && c->frames == about->most) {
    if (about->ends)
      gst_rtsp_server_client_filter(about->ends, hang_up, NULL);
    return G_SOURCE_REMOVE;
  }
  if (c->ticks++ % (about->period / PERIOD) != 0)
    return G_SOURCE_CONTINUE;
  gst_app_src_push_buffer(GST_APP_SRC(c->source), gst_buffer_copy(pictures[c->frames++ % PICTURES]));
  c->camera->frames++;
  return G_SOURCE_CONTINUE;
}

static void free_connection(gpointer user) {
  connection *c = user;
  gst_object_unref(c->source);
  g_free(c);
}

/* On the client's thread: the timer's own may be sending. */
static void stop_timer(gpointer timer, GObject *media) {
  g_source_destroy(timer);
  g_source_unref(timer);
}

static void on_media(GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer user) {
  connection *c = g_new0(connection, 1);
  GstElement *bin = gst_rtsp_media_get_element(media);
  c->camera = user;
  __atomic_add_fetch(&c->camera->connected, 1, __ATOMIC_RELAXED);
  c->source = gst_bin_get_by_name(GST_BIN(bin), "source");
  gst_app_src_set_caps(GST_APP_SRC(c->source), kind);
  GSource *timer = g_timeout_source_new(PERIOD);
  g_source_set_callback(timer, send_frame, c, free_connection);
  g_source_attach(timer, NULL);
  g_object_weak_ref(G_OBJECT(media), stop_timer, timer);
  gst_object_unref(bin);
}

static void add(GstRTSPServer *server, GPtrArray *cameras, char *name, guint period, guint most, GstRTSPServer *ends) {
  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  camera *c = g_new0(camera, 1);
  *c = (camera){.name = name, .period = period, .most = most, .ends = ends};
  gst_rtsp_media_factory_set_launch(
      factory, "( appsrc name=source is-live=true format=time do-timestamp=true ! rtpjpegpay name=pay0 pt=26 )");
  g_signal_connect(factory, "media-configure", G_CALLBACK(on_media), c);
  char *path = g_strconcat("/", name, NULL);
  gst_rtsp_mount_points_add_factory(mounts, path, factory);
  g_ptr_array_add(cameras, c);
  g_object_unref(mounts);
  g_free(path);
}

/* ---- The program --------------------------------------------------------------------------------------- */

typedef struct {
  GPtrArray *cameras;
  GMainLoop *loop;
} all;

/* {"steady-0": [connections, frames], ...} */
static void report(const GPtrArray *cameras) {
  for (guint i = 0; i < cameras->len; i++) {
    const camera *c = cameras->pdata[i];
    printf("%s\"%s\": [%u, %u]", i ? ", " : "{", c->name, c->connected, c->frames);
  }
  printf("}\n");
  fflush(stdout);
}

static gboolean on_input(GIOChannel *channel, GIOCondition condition, gpointer user) {
  const all *a = user;
  gchar *line = NULL;
  const gboolean more = g_io_channel_read_line(channel, &line, NULL, NULL, NULL) == G_IO_STATUS_NORMAL;
  g_free(line);
  if (more)
    report(a->cameras);
  else
    g_main_loop_quit(a->loop);
  return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* A thread for each client: a camera waits for nobody but itself. */
static GstRTSPServer *make_server(void) {
  GstRTSPServer *server = gst_rtsp_server_new();
  GstRTSPThreadPool *pool = gst_rtsp_thread_pool_new();
  gst_rtsp_thread_pool_set_max_threads(pool, -1);
  gst_rtsp_server_set_thread_pool(server, pool);
  g_object_unref(pool);
  gst_rtsp_server_set_address(server, "127.0.0.1");
  gst_rtsp_server_set_service(server, "0");
  return server;
}

static void add_all(GPtrArray *cameras, guint count, GstRTSPServer *server, GstRTSPServer *flapping) {
  for (guint i = 0; i < count; i++)
    add(server, cameras, g_strdup_printf("steady-%u", i), PERIOD, 0, NULL);
  add(server, cameras, g_strdup("slow"), 4000, 0, NULL);
  add(server, cameras, g_strdup("silent"), PERIOD, 5000 / PERIOD, NULL);
  add(flapping, cameras, g_strdup("flapping"), PERIOD, 3000 / PERIOD, flapping);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 2 || !make_pictures()) {
    fprintf(stderr, "usage: %s COUNT\nneeds videotestsrc, jpegenc and rtpjpegpay\n", argv[0]);
    return 2;
  }
  all a = {g_ptr_array_new(), g_main_loop_new(NULL, FALSE)};
  GstRTSPServer *server = make_server(), *flapping = make_server();
  add_all(a.cameras, (guint)atoi(argv[1]), server, flapping);
  if (gst_rtsp_server_attach(server, NULL) == 0 || gst_rtsp_server_attach(flapping, NULL) == 0) {
    fprintf(stderr, "no port can be opened on 127.0.0.1\n");
    return 1;
  }
  GIOChannel *input = g_io_channel_unix_new(0);
  g_io_add_watch(input, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, &a);
  printf("rtsp://127.0.0.1:%d rtsp://127.0.0.1:%d\n", gst_rtsp_server_get_bound_port(server),
         gst_rtsp_server_get_bound_port(flapping));
  fflush(stdout);
  g_io_channel_unref(input);
  g_main_loop_run(a.loop);
  g_main_loop_unref(a.loop);
  return 0;
}
