/*
 * echo_epoll.c - bare TCP echo: one thread, edge-triggered epoll, 64 KiB buffer.
 *
 *   echo_epoll [-u] PORT      -u answers in upper-case ASCII
 *
 * All connections share one buffer. A connection owns memory of its own only
 * while its peer takes less than it sends: the rest of a partial write waits in
 * `pending`, and nothing more is read until it is gone (so one buffer is enough).
 * Every event, readable or writable, is the same work:
 *
 *      flush pending --all gone--> recv --n--> send --all--> recv ... EAGAIN
 *           |                       |            |
 *         EAGAIN: wait           0: close     part: keep the rest, wait
 *
 * At end of input everything received has been sent, so close() is a half-close
 * answered in full. There is no fairness: a peer that never pauses is served
 * until it does.
 */
#include "peer.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>

#define BUFFER 65536
#define EVENTS 1024

struct connection {
	int fd;
	unsigned char *pending; /* NULL, or BUFFER bytes of which [start, end) is unsent */
	size_t start, end;
};

enum progress { DONE, WAIT, GONE };

static unsigned char buffer[BUFFER] __attribute__((aligned(BLOCK)));

/* Sends until all is gone or the socket is full; *sent counts either way. */
static enum progress send_all(int fd, const unsigned char *bytes, size_t len, size_t *sent)
{
	for (*sent = 0; *sent < len;) {
		ssize_t n = send(fd, bytes + *sent, len - *sent, MSG_NOSIGNAL);

		if (n >= 0)
			*sent += (size_t)n;
		else if (errno == EAGAIN)
			return WAIT;
		else if (errno != EINTR)
			return GONE;
	}
	return DONE;
}

static enum progress flush(struct connection *c)
{
	enum progress progress;
	size_t sent;

	if (!c->pending)
		return DONE;
	progress = send_all(c->fd, c->pending + c->start, c->end - c->start, &sent);
	c->start += sent;
	if (progress == DONE) {
		free(c->pending);
		c->pending = NULL;
	}
	return progress;
}

static enum progress answer(struct connection *c, size_t len)
{
	size_t sent;
	enum progress progress = send_all(c->fd, buffer, len, &sent);

	if (progress == WAIT) {
		c->pending = malloc(BUFFER);
		if (!c->pending)
			return GONE;
		c->start = 0;
		c->end = len - sent;
		memcpy(c->pending, buffer + sent, c->end);
	}
	return progress;
}

/* Edge-triggered: goes on until the socket would block or the peer has gone. */
static enum progress serve(struct connection *c, enum mode mode)
{
	enum progress progress = flush(c);

	while (progress == DONE) {
		ssize_t n = recv(c->fd, buffer, BUFFER, 0);

		if (n == 0)
			return GONE;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? WAIT : GONE;
		if (mode == UPPER)
			upper(buffer, (size_t)n);
		progress = answer(c, (size_t)n);
	}
	return progress;
}

static void drop(struct connection *c)
{
	close(c->fd);
	free(c->pending);
	free(c);
}

static void accept_all(int epoll, int listener)
{
	for (;;) {
		int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct connection *c;

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno != EAGAIN)
			die("accept4");
		if (fd < 0)
			return;
		c = calloc(1, sizeof *c);
		if (!c)
			die("calloc");
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd,
			      &(struct epoll_event){ .events = EPOLLIN | EPOLLOUT | EPOLLET,
						     .data.ptr = c }) < 0)
			die("epoll_ctl");
	}
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct epoll_event events[EVENTS];
	int listener = listen_on(options.port, SOCK_NONBLOCK);
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		die("epoll_create1");
	/* The listener alone has no connection behind it. */
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener,
		      &(struct epoll_event){ .events = EPOLLIN, .data.ptr = NULL }) < 0)
		die("epoll_ctl");
	raise_descriptor_limit();
	announce(listener);

	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (!c)
				accept_all(epoll, listener);
			else if (serve(c, options.mode) == GONE)
				drop(c);
		}
	}
}
