/* Sends datagrams to @ADDRESS@ with plain sockets, and shows the answer to each.
 *
 *     cc -Wall -o client client.c && ./client
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
@INCLUDES@#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
    exit(1);
}

@OPEN@

/* Sends one datagram, and shows the answer. */
static void ask(int peer, const char *message, size_t length)
{
    /* All of it, or an error: a datagram is never split. */
    if (send(peer, message, length, 0) < 0)
        fail("cannot send");
@ANSWER@}

int main(void)
{
    int peer = open_connection();
    /* A datagram or its answer may be lost. */
    struct timeval timeout = {.tv_sec = @TIMEOUT_S@, .tv_usec = @TIMEOUT_US@};
    if (setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0)
        fail("cannot set the timeout");
@SEND@    close(peer);
    return 0;
}
