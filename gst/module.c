/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Modules are looked for relative to this plugin's own file and nowhere else: no environment, no search path. They are
 * not inside the plugin's folder, because GStreamer takes every library there for a plugin. */
#include "module.h"

#include <dlfcn.h>
#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

/* From the plugin's folder: as it is installed (LIBDIR/gstreamer-1.0 and LIBDIR/resnet18classify), and as it is built.
 */
static const gchar *const folders[] = {"../resnet18classify", "../brokers"};

static gchar *plugin_folder(void) {
  Dl_info info;
  gchar *real, *folder;
  if (!dladdr((const void *)folders, &info) || !info.dli_fname)
    return NULL;
  real = realpath(info.dli_fname, NULL);
  folder = real ? g_path_get_dirname(real) : NULL;
  free(real);
  return folder;
}

static gchar *find(const gchar *kind) {
  gchar *folder = plugin_folder(), *path = NULL;
  for (guint i = 0; folder && !path && i < G_N_ELEMENTS(folders); i++) {
    path = g_strdup_printf("%s/%s/resnet18-%s.so", folder, folders[i], kind);
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
      g_clear_pointer(&path, g_free);
  }
  g_free(folder);
  return path;
}

static const GstResnet18BrokerClass *load(const gchar *kind, const gchar *path, GError **error) {
  GModule *module = g_module_open(path, G_MODULE_BIND_LOCAL);
  const GstResnet18BrokerClass *klass;
  gpointer symbol;
  if (!module) {
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "the module for %s cannot be loaded: %s", kind,
                g_module_error());
    return NULL;
  }
  /* Threads of the brokers' libraries may outlive their last use. */
  g_module_make_resident(module);
  if (!g_module_symbol(module, GST_RESNET18_BROKER_SYMBOL, &symbol)) {
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "\"%s\" is no module for a broker", path);
    return NULL;
  }
  klass = symbol;
  if (klass->abi != GST_RESNET18_BROKER_ABI || strcmp(klass->version, RESNET18_VERSION) != 0) {
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                "\"%s\" is of another version than the plugin, which is " RESNET18_VERSION, path);
    return NULL;
  }
  return klass;
}

const GstResnet18BrokerClass *gst_resnet18_module_load(const gchar *kind, GError **error) {
  gchar *path = find(kind);
  const GstResnet18BrokerClass *klass = NULL;
  if (path)
    klass = load(kind, path, error);
  else
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                "this installation has no module for %s; it is built where the library for it is installed", kind);
  g_free(path);
  return klass;
}
