/* Talks to @ADDRESS@ with plain sockets.
 *
 *     cc -Wall -o client client.c && ./client
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
@INCLUDES@#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* write() may take only a part. */
static void write_all(int fd, const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0) {
        ssize_t count = write(fd, next, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            fail(fd == STDOUT_FILENO ? "cannot write" : "cannot send");
        next += count;
        length -= (size_t)count;
    }
}

/* As many bytes as there are; 0 is the end. */
static size_t read_some(int fd, void *buffer, size_t size)
{
    for (;;) {
        ssize_t count = read(fd, buffer, size);
        if (count >= 0)
            return (size_t)count;
        if (errno != EINTR)
            fail("cannot read");
    }
}

@OPEN@

@FRAME@/* Everything there is to send, and then the end. */
static void send_everything(int peer)
{
@SEND@@FINISH@}

@RECEIVE@
int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of write() */
    int peer = open_connection();
@TALK@    return 0;
}
