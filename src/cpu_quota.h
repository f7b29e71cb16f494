/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processors that the kernel's control groups leave to this process. */
#ifndef RESNET18_CPU_QUOTA_H
#define RESNET18_CPU_QUOTA_H

/* `limit`, or less where the quota of this process's group or of one above it is less; at least 1. `root` stands before
 * /proc and /sys: "" outside of tests. */
unsigned r18_cpu_quota(const char *root, unsigned limit);

#endif
