/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who goes first on a processor that is wanted by several, without any right to be asked for. */
#ifndef RESNET18_SERVER_PRIORITY_H
#define RESNET18_SERVER_PRIORITY_H

/* The calling thread works briefly and is to be let in soon. */
void priority_brisk(void);
/* The calling thread, and what it starts from now on, computes for long and lets others go first. */
void priority_patient(void);

#endif
