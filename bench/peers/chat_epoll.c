/*
 * chat_epoll.c - bare chat: one thread, edge-triggered epoll, output coalesced.
 *
 *   chat_epoll PORT
 *
 * HELLO-FROM, WHO, SEND and DELIVERY as wharf serves them, without bots, limits or
 * timeouts; what it does not know is answered BAD-RQST-HDR. What a turn of the
 * loop causes for a user gathers in that user's `out`, and leaves in one send() at
 * the end of the turn:
 *
 *      epoll_wait --> recv, lines --> out of the sender, out of the receiver
 *          ^                                      |
 *          +------- send() once per user <--------+
 *
 * A connection owns memory for input only while half a line waits, and for output
 * only while there is some.
 */
#include "peer.h"

#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>

#define BUFFER 65536
#define EVENTS 1024
#define NAME 64
#define BUCKETS 16384 /* a power of two */
#define FIRST_OUT 512

struct bytes {
	char *at;
	size_t len, cap;
};

struct user {
	int fd;
	bool dirty, gone;
	unsigned char name_len; /* 0: not logged in */
	char name[NAME];
	struct user *bucket;            /* the next one with this hash */
	struct user *next_dirty;
	struct user *before, *after;    /* in login order */
	struct bytes in, out;
	size_t sent;                    /* of out */
};

static char buffer[BUFFER];
static struct user *buckets[BUCKETS];
static struct user *dirty;
static struct user *first, *last;

static void append(struct bytes *b, const void *from, size_t len)
{
	if (b->len + len > b->cap) {
		size_t cap = b->cap ? b->cap : FIRST_OUT;

		while (cap < b->len + len)
			cap *= 2;
		b->at = realloc(b->at, cap);
		if (!b->at)
			die("realloc");
		b->cap = cap;
	}
	memcpy(b->at + b->len, from, len);
	b->len += len;
}

static void release(struct bytes *b)
{
	free(b->at);
	*b = (struct bytes){ 0 };
}

/* Notes that this user has something to send at the end of the turn. */
static void mark(struct user *u)
{
	if (!u->dirty) {
		u->dirty = true;
		u->next_dirty = dirty;
		dirty = u;
	}
}

static void say(struct user *u, const char *text, size_t len)
{
	append(&u->out, text, len);
	mark(u);
}

#define SAY(user, text) say(user, text "\n", sizeof text)

/* FNV-1a */
static struct user **bucket_of(const char *name, size_t len)
{
	unsigned hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return &buckets[hash & (BUCKETS - 1)];
}

static struct user *find(const char *name, size_t len)
{
	struct user *u = *bucket_of(name, len);

	while (u && (u->name_len != len || memcmp(u->name, name, len)))
		u = u->bucket;
	return u;
}

static bool is_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
			return false;
	}
	return len > 0 && len <= NAME;
}

static void hello(struct user *u, const char *name, size_t len)
{
	struct user **bucket;

	if (!is_name(name, len)) {
		SAY(u, "BAD-RQST-BODY");
		return;
	}
	if (find(name, len)) {
		SAY(u, "IN-USE");
		return;
	}
	memcpy(u->name, name, len);
	u->name_len = (unsigned char)len;
	bucket = bucket_of(name, len);
	u->bucket = *bucket;
	*bucket = u;
	u->before = last;
	*(last ? &last->after : &first) = u;
	last = u;
	say(u, "HELLO ", 6);
	say(u, name, len);
	say(u, "\n", 1);
}

static void log_out(struct user *u)
{
	struct user **link;

	if (!u->name_len)
		return;
	link = bucket_of(u->name, u->name_len);
	while (*link != u)
		link = &(*link)->bucket;
	*link = u->bucket;
	*(u->before ? &u->before->after : &first) = u->after;
	*(u->after ? &u->after->before : &last) = u->before;
	u->name_len = 0;
}

static void who(struct user *u)
{
	say(u, "WHO-OK ", 7);
	for (struct user *one = first; one; one = one->after) {
		say(u, one->name, one->name_len);
		say(u, one->after ? "," : "\n", 1);
	}
}

static void send_message(struct user *u, const char *rest, size_t len)
{
	const char *space = memchr(rest, ' ', len), *text;
	struct user *to;
	size_t name_len, text_len;

	if (!space) {
		SAY(u, "BAD-RQST-BODY");
		return;
	}
	name_len = (size_t)(space - rest);
	text = space + 1;
	text_len = len - name_len - 1;
	while (text_len && *text == ' ')
		text++, text_len--;
	while (text_len && text[text_len - 1] == ' ')
		text_len--;
	if (!name_len || !text_len) {
		SAY(u, "BAD-RQST-BODY");
		return;
	}
	to = find(rest, name_len);
	if (!to) {
		SAY(u, "UNKNOWN");
		return;
	}
	SAY(u, "SEND-OK");
	say(to, "DELIVERY ", 9);
	say(to, u->name, u->name_len);
	say(to, " ", 1);
	say(to, text, text_len);
	say(to, "\n", 1);
}

static bool begins(const char *line, size_t len, const char *with, size_t with_len)
{
	return len >= with_len && !memcmp(line, with, with_len);
}

#define BEGINS(with) begins(line, len, with, sizeof with - 1)

static void hear(struct user *u, const char *line, size_t len)
{
	if (len && line[len - 1] == '\r')
		len--;
	if (u->name_len && BEGINS("SEND "))
		send_message(u, line + 5, len - 5);
	else if (!u->name_len && BEGINS("HELLO-FROM "))
		hello(u, line + 11, len - 11);
	else if (u->name_len && len == 3 && BEGINS("WHO"))
		who(u);
	else
		SAY(u, "BAD-RQST-HDR");
}

/* Hears every whole line, and keeps what is left. */
static void take(struct user *u, const char *from, size_t len)
{
	const char *end;

	if (u->in.len) {
		append(&u->in, from, len);
		from = u->in.at;
		len = u->in.len;
	}
	while ((end = memchr(from, '\n', len))) {
		size_t line = (size_t)(end - from);

		hear(u, from, line);
		from = end + 1;
		len -= line + 1;
	}
	if (!len)
		release(&u->in);
	else if (u->in.len) {
		memmove(u->in.at, from, len);
		u->in.len = len;
	} else
		append(&u->in, from, len);
}

/* `ended`: the kernel told of the end of input, which comes once and after the bytes. */
static void receive(struct user *u, bool ended)
{
	while (!u->gone) {
		ssize_t n = recv(u->fd, buffer, BUFFER, 0);

		if (n > 0) {
			take(u, buffer, (size_t)n);
			if (n < BUFFER && !ended) /* the socket is empty; epoll(7) tells of more */
				return;
		} else if (n == 0) {
			u->gone = true;
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			u->gone = true;
		}
	}
	/* It is freed with the others at the end of the turn. */
	log_out(u);
	mark(u);
}

static void flush(struct user *u)
{
	while (u->sent < u->out.len) {
		ssize_t n = send(u->fd, u->out.at + u->sent, u->out.len - u->sent, MSG_NOSIGNAL);

		if (n >= 0)
			u->sent += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			break; /* recv() will tell */
	}
	u->sent = 0;
	release(&u->out);
}

static void end_turn(void)
{
	while (dirty) {
		struct user *u = dirty;

		dirty = u->next_dirty;
		u->dirty = false;
		flush(u);
		if (u->gone) {
			close(u->fd);
			release(&u->in);
			release(&u->out);
			free(u);
		}
	}
}

static void accept_all(int epoll, int listener)
{
	for (;;) {
		int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct user *u;

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno != EAGAIN)
			die("accept4");
		if (fd < 0)
			return;
		u = calloc(1, sizeof *u);
		if (!u)
			die("calloc");
		u->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd,
			      &(struct epoll_event){ .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
						     .data.ptr = u }) < 0)
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
	/* The listener alone has no user behind it. */
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
			struct user *u = events[i].data.ptr;

			if (!u) {
				accept_all(epoll, listener);
				continue;
			}
			if (events[i].events & EPOLLOUT && u->out.len)
				mark(u);
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				receive(u, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
		}
		end_turn();
	}
}
