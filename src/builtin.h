/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that builtin.S embeds: first byte, and the byte after the last (a 0). One that the build is without is
 * empty. */
#ifndef RESNET18_BUILTIN_H
#define RESNET18_BUILTIN_H

extern const unsigned char r18_builtin_weights[], r18_builtin_weights_end[];         /* safetensors */
extern const unsigned char r18_builtin_int8[], r18_builtin_int8_end[];               /* the same, quantised */
extern const unsigned char r18_builtin_labels[], r18_builtin_labels_end[];           /* index, wnid, name */
extern const unsigned char r18_builtin_calibration[], r18_builtin_calibration_end[]; /* int8 ranges */

#endif
