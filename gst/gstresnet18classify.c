/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-resnet18classify
 * @title: resnet18classify
 * @short_description: says what is on each video frame
 *
 * Classifies video frames with ResNet-18 on the CPU. The network, its weights and the names of ImageNet's 1000 classes
 * are built in. Frames leave as they came, with the result attached: as custom meta `GstResnet18Result`, as
 * GstAnalyticsClsMtd where GStreamer has it, and on request as message on the bus or as text on the picture.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -m filesrc location=photo.jpg ! decodebin ! resnet18classify post-messages=all ! fakesink
 * ]| What is on the photo, on the terminal.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! resnet18classify overlay=true ! videoconvert ! autovideosink
 * ]| A camera's picture with the three most likely classes on it. The camera is live, so no frame waits.
 * |[
 * gst-launch-1.0 -m filesrc location=a.mp4 ! decodebin ! resnet18classify interval=9 post-messages=changes ! fakesink
 * ]| Every ninth frame of a film; a message whenever the best class changes.
 */
#include "gstresnet18classify_private.h"
#include "messages.h"

GST_DEBUG_CATEGORY_EXTERN(gst_resnet18_classify_debug);
#define GST_CAT_DEFAULT gst_resnet18_classify_debug

/* Classified frames of which the slowest makes the latency that is declared, and what reading a frame may add to the
 * forward pass before any was seen. */
#define LATENCY_WINDOW 32
#define LATENCY_READING (2 * GST_MSECOND)
/* A frame so much earlier than the last one begins a new stream. */
#define BACKWARDS GST_SECOND

guint gst_resnet18_classify_signals[N_SIGNALS];

G_DEFINE_TYPE(GstResnet18Classify, gst_resnet18_classify, GST_TYPE_BASE_TRANSFORM)

/* ---- Properties ---------------------------------------------------------------------------------------- */

static GstStructure *describe(GstResnet18Classify *self) {
  GstStructure *stats = gst_resnet18_stats_to_structure(self->stats);
  GST_OBJECT_LOCK(self);
  if (self->engine)
    gst_resnet18_engine_describe(self->engine, stats);
  GST_OBJECT_UNLOCK(self);
  return stats;
}

static void gst_resnet18_classify_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(object);
  gboolean known;
  if (id == GST_RESNET18_PROP_STATS) {
    g_value_take_boxed(value, describe(self));
    return;
  }
  GST_OBJECT_LOCK(self);
  known = gst_resnet18_settings_get(&self->settings, id, value);
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

/* Says that a value was refused; while nobody listens yet (an element of gst-launch gets its properties before its
 * bus), that waits for the start. */
static void refuse(GstResnet18Classify *self, GParamSpec *spec, const resnet18_error *error) {
  gboolean nobody;
  GST_OBJECT_LOCK(self);
  nobody = GST_ELEMENT_BUS(self) == NULL;
  if (nobody) {
    self->refused = *error;
    self->refused_property = spec->name;
  }
  GST_OBJECT_UNLOCK(self);
  if (!nobody)
    gst_resnet18_post_warning(GST_ELEMENT(self), spec->name, error);
}

static void say_refused(GstResnet18Classify *self) {
  resnet18_error error;
  const gchar *property;
  GST_OBJECT_LOCK(self);
  error = self->refused;
  property = self->refused_property;
  self->refused_property = NULL;
  GST_OBJECT_UNLOCK(self);
  if (property)
    gst_resnet18_post_warning(GST_ELEMENT(self), property, &error);
}

/* What was chosen when the element started: another model, team of threads or latency is another start. */
static gboolean is_too_late(const GstResnet18Classify *self, const GParamSpec *spec, resnet18_error *error) {
  if (self->engine == NULL || spec->flags & GST_PARAM_MUTABLE_PLAYING)
    return FALSE;
  error->status = RESNET18_ERROR_ARGUMENT;
  g_strlcpy(error->message, "it can be changed in the states NULL and READY only; the old value stays",
            sizeof error->message);
  return TRUE;
}

static void gst_resnet18_classify_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(object);
  resnet18_error error;
  gboolean known;
  GST_OBJECT_LOCK(self);
  known = is_too_late(self, spec, &error) || gst_resnet18_settings_set(&self->settings, id, value, &error);
  g_atomic_int_inc(&self->settings_serial);
  if (self->loader && gst_resnet18_settings_concern_engine(id))
    gst_resnet18_loader_request(self->loader, &self->settings);
  GST_OBJECT_UNLOCK(self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  else if (error.status != RESNET18_OK)
    refuse(self, spec, &error);
}

/* The streaming thread works on its own copy, made anew when a property has been set. */
static void refresh_settings(GstResnet18Classify *self) {
  gint serial = g_atomic_int_get(&self->settings_serial);
  if (serial == self->now_serial)
    return;
  GST_OBJECT_LOCK(self);
  gst_resnet18_settings_copy(&self->now, &self->settings);
  self->now_serial = g_atomic_int_get(&self->settings_serial);
  GST_OBJECT_UNLOCK(self);
  self->overlay_stale = TRUE;
}

/* ---- Start and stop ------------------------------------------------------------------------------------ */

static void set_earliest(GstResnet18Classify *self, GstClockTime earliest) {
  GST_OBJECT_LOCK(self);
  self->earliest = earliest;
  GST_OBJECT_UNLOCK(self);
}

/* After a flush, a new segment or new caps: nothing from before may reach what comes. */
static void forget_past(GstResnet18Classify *self) {
  gst_resnet18_classify_settle(self);
  if (self->engine)
    gst_resnet18_stats_count(self->stats, GST_RESNET18_DROPPED, gst_resnet18_stream_flush(self->engine->stream));
  gst_resnet18_still_clear(&self->still);
  set_earliest(self, GST_CLOCK_TIME_NONE);
  gst_resnet18_classify_forget_result(self);
  self->frames = 0;
  self->due_at = GST_CLOCK_TIME_NONE;
  self->last = (Moment){GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, 0};
}

/* The properties say again what is in force, unless they have been changed once more. */
static void restore_settings(GstResnet18Classify *self, const GstResnet18Settings *refused) {
  GstResnet18Settings *s = &self->settings;
  GST_OBJECT_LOCK(self);
  if (self->engine && g_strcmp0(s->weights, refused->weights) == 0 && g_strcmp0(s->labels, refused->labels) == 0) {
    g_free(s->weights);
    g_free(s->labels);
    s->weights = g_strdup(self->engine->weights_path);
    s->labels = g_strdup(self->engine->labels_path);
    g_atomic_int_inc(&self->settings_serial);
  }
  GST_OBJECT_UNLOCK(self);
}

static void on_refused(gpointer user, const GstResnet18Settings *settings, const gchar *property,
                       const resnet18_error *error) {
  GstResnet18Classify *self = user;
  restore_settings(self, settings);
  gst_resnet18_post_warning(GST_ELEMENT(self), property, error);
}

static gboolean gst_resnet18_classify_start(GstBaseTransform *trans) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  GstResnet18Engine *engine;
  const gchar *property;
  resnet18_error error;
  self->now_serial = g_atomic_int_get(&self->settings_serial) - 1;
  refresh_settings(self);
  say_refused(self);
  engine = gst_resnet18_engine_open(&self->now, &property, &error);
  if (!engine) {
    gst_resnet18_post_error(GST_ELEMENT(self), property, &error);
    return FALSE;
  }
  gst_resnet18_stats_reset(self->stats);
  self->slowest = 0;
  self->n_slowest = 0;
  g_atomic_int_set(&self->live, FALSE);
  GST_OBJECT_LOCK(self);
  self->engine = engine;
  self->interrupted = FALSE;
  self->loader = gst_resnet18_loader_new(on_refused, self);
  self->latency = gst_resnet18_pool_pass_time(engine->pool) + LATENCY_READING;
  GST_OBJECT_UNLOCK(self);
  forget_past(self);
  GST_INFO_OBJECT(self, "weights %s, %" G_GSIZE_FORMAT " classes, kernels %s, %u threads", engine->source,
                  engine->classes, gst_resnet18_pool_kernels(engine->pool), gst_resnet18_pool_threads(engine->pool));
  if (*gst_resnet18_pool_warning(engine->pool))
    GST_ELEMENT_WARNING(self, LIBRARY, SETTINGS, ("%s", gst_resnet18_pool_warning(engine->pool)),
                        ("plain C kernels take its place"));
  return TRUE;
}

static gboolean gst_resnet18_classify_stop(GstBaseTransform *trans) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  GstResnet18Engine *engine = self->engine;
  GstResnet18Loader *loader = self->loader;
  GST_OBJECT_LOCK(self);
  self->loader = NULL;
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_loader_free(loader);
  forget_past(self);
  GST_OBJECT_LOCK(self);
  self->engine = NULL;
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_engine_close(engine);
  g_clear_pointer(&self->overlay, gst_resnet18_overlay_free);
  g_clear_pointer(&self->frame, gst_resnet18_frame_free);
  gst_clear_caps(&self->caps);
  return TRUE;
}

/* Between two frames: what the old weights or labels said is not said of frames to come. */
static void replace_engine(GstResnet18Classify *self, GstResnet18Engine *engine) {
  GstResnet18Engine *old = self->engine;
  forget_past(self);
  GST_OBJECT_LOCK(self);
  self->engine = engine;
  gst_resnet18_stream_interrupt(engine->stream, self->interrupted);
  GST_OBJECT_UNLOCK(self);
  gst_resnet18_loader_retire(self->loader, old);
  GST_INFO_OBJECT(self, "weights are now %s", engine->source);
}

/* Ends or allows waiting for a result. From any thread. */
static void interrupt(GstResnet18Classify *self, gboolean interrupted) {
  GST_OBJECT_LOCK(self);
  self->interrupted = interrupted;
  if (self->engine)
    gst_resnet18_stream_interrupt(self->engine->stream, interrupted);
  GST_OBJECT_UNLOCK(self);
}

static GstStateChangeReturn gst_resnet18_classify_change_state(GstElement *element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    interrupt(GST_RESNET18_CLASSIFY(element), TRUE);
  return GST_ELEMENT_CLASS(gst_resnet18_classify_parent_class)->change_state(element, transition);
}

/* ---- Caps ---------------------------------------------------------------------------------------------- */

static void ask_whether_live(GstResnet18Classify *self) {
  GstQuery *query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self), query))
    gst_query_parse_latency(query, &live, NULL, NULL);
  g_atomic_int_set(&self->live, live);
  gst_query_unref(query);
}

static gboolean gst_resnet18_classify_set_caps(GstBaseTransform *trans, GstCaps *in, GstCaps *out) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  resnet18_error error;
  forget_past(self);
  g_clear_pointer(&self->frame, gst_resnet18_frame_free);
  if (!gst_video_info_from_caps(&self->info, in)) {
    GST_ERROR_OBJECT(self, "caps %" GST_PTR_FORMAT " do not describe video", in);
    return FALSE;
  }
  self->frame = gst_resnet18_frame_new(&self->info, &error);
  if (!self->frame) {
    gst_resnet18_post_error(GST_ELEMENT(self), NULL, &error);
    return FALSE;
  }
  gst_caps_replace(&self->caps, in);
  g_atomic_int_set(&self->overlay_outdated, TRUE);
  self->complained = FALSE;
  ask_whether_live(self);
  return TRUE;
}

/* ---- Latency ------------------------------------------------------------------------------------------- */

static gboolean is_sync(GstResnet18Mode mode, gboolean live) {
  return mode == GST_RESNET18_MODE_SYNC || (mode == GST_RESNET18_MODE_AUTO && !live);
}

gboolean gst_resnet18_classify_is_sync(GstResnet18Classify *self) {
  return is_sync(self->now.mode, g_atomic_int_get(&self->live));
}

static void add_latency(GstResnet18Classify *self, GstQuery *query) {
  GstClockTime min, max, latency;
  GstResnet18Mode mode;
  gboolean live;
  gst_query_parse_latency(query, &live, &min, &max);
  g_atomic_int_set(&self->live, live);
  GST_OBJECT_LOCK(self);
  mode = self->settings.mode;
  latency = self->latency;
  GST_OBJECT_UNLOCK(self);
  if (!is_sync(mode, live))
    return;
  gst_query_set_latency(query, live, min + latency, GST_CLOCK_TIME_IS_VALID(max) ? max + latency : max);
}

static gboolean gst_resnet18_classify_query(GstBaseTransform *trans, GstPadDirection direction, GstQuery *query) {
  gboolean answered = GST_BASE_TRANSFORM_CLASS(gst_resnet18_classify_parent_class)->query(trans, direction, query);
  if (answered && direction == GST_PAD_SRC && GST_QUERY_TYPE(query) == GST_QUERY_LATENCY)
    add_latency(GST_RESNET18_CLASSIFY(trans), query);
  return answered;
}

/* A frame that waited took so long, its overlay included. Declares the slowest of the last such frames when that is
 * more than 10 % off what was declared. */
static void watch_latency(GstResnet18Classify *self, GstClockTime took) {
  GstClockTime slowest;
  gboolean news;
  self->slowest = MAX(self->slowest, took);
  if (++self->n_slowest < LATENCY_WINDOW)
    return;
  slowest = self->slowest;
  self->slowest = 0;
  self->n_slowest = 0;
  GST_OBJECT_LOCK(self);
  news = slowest > self->latency + self->latency / 10 || slowest < self->latency - self->latency / 10;
  if (news)
    self->latency = slowest;
  GST_OBJECT_UNLOCK(self);
  if (news)
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

/* Once for each caps, not for each frame. */
void gst_resnet18_classify_complain(GstResnet18Classify *self, const resnet18_error *error) {
  if (self->complained)
    return;
  self->complained = TRUE;
  gst_resnet18_post_warning(GST_ELEMENT(self), NULL, error);
}

/* ---- Data flow ----------------------------------------------------------------------------------------- */

/* What a frame that is not due has to wait for is memory that is not in the cache any more since the frame before: each
 * place that is touched takes 0.1 us. So there are no checked casts here, and no lock where an atomic flag will do. */

static Moment moment_of(GstResnet18Classify *self, GstBuffer *buffer) {
  const GstSegment *segment = &GST_BASE_TRANSFORM_CAST(self)->segment;
  Moment moment = {GST_BUFFER_PTS(buffer), GST_CLOCK_TIME_NONE, GST_BUFFER_DURATION(buffer), gst_resnet18_now()};
  if (segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(moment.pts))
    moment.running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, moment.pts);
  return moment;
}

GstClockTime gst_resnet18_classify_stream_time(GstResnet18Classify *self, const Moment *moment) {
  const GstSegment *segment = &GST_BASE_TRANSFORM_CAST(self)->segment;
  if (segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID(moment->pts))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_stream_time(segment, GST_FORMAT_TIME, moment->pts);
}

/* A source that was made anew, or has set its clock, without telling by a segment. Decoders that are a frame or two out
 * of order are not meant. */
static gboolean time_went_back(const Moment *last, const Moment *moment) {
  return GST_CLOCK_TIME_IS_VALID(last->running_time) && GST_CLOCK_TIME_IS_VALID(moment->running_time) &&
         moment->running_time + BACKWARDS < last->running_time;
}

static GstFlowReturn gst_resnet18_classify_transform_ip(GstBaseTransform *trans, GstBuffer *buffer) {
  GstResnet18Classify *self = (GstResnet18Classify *)trans;
  GstResnet18Engine *replacement = gst_resnet18_loader_take(self->loader);
  Moment moment = moment_of(self, buffer);
  GstClockTime took;
  gboolean waited;
  if (replacement)
    replace_engine(self, replacement);
  if (time_went_back(&self->last, &moment))
    forget_past(self);
  self->last = moment;
  gst_resnet18_classify_collect(self, &moment);
  waited = gst_resnet18_classify_take_in(self, buffer, &moment);
  gst_resnet18_classify_show(self, buffer, &moment);
  took = gst_resnet18_now() - moment.entered;
  gst_resnet18_stats_passed(self->stats, took);
  if (waited)
    watch_latency(self, took);
  return GST_FLOW_OK;
}

/* The base class passes buffers through as they are, which is right but for the meta and the overlay: those want a
 * buffer of our own around the same memory. */
static GstFlowReturn gst_resnet18_classify_generate_output(GstBaseTransform *trans, GstBuffer **out) {
  GstResnet18Classify *self = (GstResnet18Classify *)trans;
  *out = g_steal_pointer(&trans->queued_buf);
  if (!*out)
    return GST_FLOW_OK;
  refresh_settings(self);
  if (self->now.attach_meta || self->now.overlay)
    *out = gst_buffer_make_writable(*out);
  return gst_resnet18_classify_transform_ip(trans, *out);
}

/* What can be done ahead for the next buffer, or left until later, is done when this one is on its way. */
static GstFlowReturn gst_resnet18_classify_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer) {
  GstResnet18Classify *self = (GstResnet18Classify *)parent;
  GstFlowReturn flow = self->chain(pad, parent, buffer);
  gst_resnet18_classify_settle(self);
  gst_resnet18_classify_prepare(self);
  return flow;
}

/* Frames that are still being classified get their result said before the stream ends. */
static void drain(GstResnet18Classify *self) {
  if (self->engine && gst_resnet18_stream_wait(self->engine->stream))
    gst_resnet18_classify_collect(self, &self->last);
  gst_resnet18_classify_settle(self);
}

static gboolean gst_resnet18_classify_sink_event(GstBaseTransform *trans, GstEvent *event) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  switch (GST_EVENT_TYPE(event)) {
  case GST_EVENT_FLUSH_START:
    interrupt(self, TRUE);
    break;
  case GST_EVENT_FLUSH_STOP:
    interrupt(self, FALSE);
    forget_past(self);
    break;
  case GST_EVENT_SEGMENT:
    forget_past(self);
    break;
  case GST_EVENT_EOS:
    drain(self);
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS(gst_resnet18_classify_parent_class)->sink_event(trans, event);
}

/* Frames up to the time that the late one's would have had to be; the same rule as GstBaseTransform's own. */
static void heed_qos(GstResnet18Classify *self, GstEvent *event) {
  GstClockTimeDiff diff;
  GstClockTime timestamp;
  gst_event_parse_qos(event, NULL, NULL, &diff, &timestamp);
  if (!GST_CLOCK_TIME_IS_VALID(timestamp) || (diff < 0 && (GstClockTime)-diff > timestamp))
    set_earliest(self, GST_CLOCK_TIME_NONE);
  else
    set_earliest(self, timestamp + (GstClockTime)diff);
}

static gboolean gst_resnet18_classify_src_event(GstBaseTransform *trans, GstEvent *event) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(trans);
  if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE)
    g_atomic_int_set(&self->overlay_outdated, TRUE);
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS)
    heed_qos(self, event);
  return GST_BASE_TRANSFORM_CLASS(gst_resnet18_classify_parent_class)->src_event(trans, event);
}

/* ---- Class --------------------------------------------------------------------------------------------- */

static void gst_resnet18_classify_finalize(GObject *object) {
  GstResnet18Classify *self = GST_RESNET18_CLASSIFY(object);
  gst_resnet18_settings_clear(&self->settings);
  gst_resnet18_settings_clear(&self->now);
  gst_resnet18_stats_free(self->stats);
  G_OBJECT_CLASS(gst_resnet18_classify_parent_class)->finalize(object);
}

static void gst_resnet18_classify_init(GstResnet18Classify *self) {
  gst_resnet18_settings_init(&self->settings);
  gst_video_info_init(&self->info);
  self->stats = gst_resnet18_stats_new();
  self->chain = GST_PAD_CHAINFUNC(GST_BASE_TRANSFORM_SINK_PAD(self));
  gst_pad_set_chain_function(GST_BASE_TRANSFORM_SINK_PAD(self), gst_resnet18_classify_chain);
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE);
}

static void add_pad_templates(GstElementClass *element_class) {
  GstCaps *caps = gst_resnet18_frame_caps();
  gst_element_class_add_pad_template(element_class, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template(element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
}

static void gst_resnet18_classify_class_init(GstResnet18ClassifyClass *klass) {
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(klass);

  object_class->set_property = gst_resnet18_classify_set_property;
  object_class->get_property = gst_resnet18_classify_get_property;
  object_class->finalize = gst_resnet18_classify_finalize;
  gst_resnet18_settings_install(object_class);

  /**
   * GstResnet18Classify::classified:
   * @element: the element
   * @result: the result, a structure GstResnet18Result
   *
   * A frame has been classified. From the streaming thread: do not take long, and do not change the pipeline's state.
   */
  gst_resnet18_classify_signals[SIGNAL_CLASSIFIED] =
      g_signal_new("classified", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                   GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  /**
   * GstResnet18Classify::event:
   * @element: the element
   * @result: the result that brought it about; its field "event" says what happened
   *
   * A class has entered (there was none), left (there is none any more) or changed. From the streaming thread.
   */
  gst_resnet18_classify_signals[SIGNAL_EVENT] =
      g_signal_new("event", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                   GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  gst_element_class_set_static_metadata(element_class, "ResNet-18 classifier", "Filter/Analyzer/Video",
                                        "Says what is on each video frame, with ResNet-18 on the CPU",
                                        "The resnet18classify developers");
  add_pad_templates(element_class);
  gst_type_mark_as_plugin_api(gst_resnet18_precision_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_mode_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_post_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_crop_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_roi_source_get_type(), 0);
  gst_type_mark_as_plugin_api(gst_resnet18_position_get_type(), 0);

  element_class->change_state = gst_resnet18_classify_change_state;
  transform_class->start = gst_resnet18_classify_start;
  transform_class->stop = gst_resnet18_classify_stop;
  transform_class->set_caps = gst_resnet18_classify_set_caps;
  transform_class->query = gst_resnet18_classify_query;
  transform_class->sink_event = gst_resnet18_classify_sink_event;
  transform_class->src_event = gst_resnet18_classify_src_event;
  transform_class->generate_output = gst_resnet18_classify_generate_output;
  transform_class->transform_ip = gst_resnet18_classify_transform_ip;
}
