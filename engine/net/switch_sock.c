/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/net/switch_sock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* 32 frames of the largest size; without rights the kernel cuts it to net.core.wmem_max. */
#define BURST_BYTES (2 * 1024 * 1024)

int switch_addr(const char *path, struct sockaddr_un *ret, struct err *err)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(ret->sun_path)) {
        errno = EINVAL;
        return err_set(err, "give a path of 1 to 107 bytes", "bad switch path '%s'", path);
    }
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, path, len + 1);
    return 0;
}

void switch_sock_tune(int fd)
{
    int bytes = BURST_BYTES;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) == 0)
        return;
    /* Only a smaller burst fits then, and what does not fit is dropped and counted anyway. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}
