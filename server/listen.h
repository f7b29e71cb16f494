/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets by address and port. */
#ifndef RESNET18_SERVER_LISTEN_H
#define RESNET18_SERVER_LISTEN_H

/* A listening TCP socket on a numeric address or a host's name; *actual receives the port. -1 after a sentence on
 * standard error. */
int listen_on(const char *address, int port, unsigned *actual);

/* A socket that is connected to what listens there; for an address that means all, on this machine. -1 with errno. */
int connect_to(const char *address, int port, int milliseconds);

#endif
