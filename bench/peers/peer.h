/*
 * peer.h - what the bare peers share: arguments, the bound port, upper case.
 *
 *   PEER [-u] PORT     -u upper-cases ASCII instead of echoing; PORT 0 = any
 *
 * A peer binds 127.0.0.1 and then writes one line to stdout,
 * "listening 127.0.0.1:PORT", so that a harness knows the port and that it may
 * start. It runs until it is killed.
 */
#ifndef PEER_H
#define PEER_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum mode { ECHO, UPPER };

struct options {
	enum mode mode;
	in_port_t port;
};

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline struct options parse_options(int argc, char **argv)
{
	struct options options = { .mode = ECHO };
	char *end;
	long port;
	int opt;

	while ((opt = getopt(argc, argv, "u")) != -1) {
		if (opt != 'u')
			exit(2);
		options.mode = UPPER;
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: %s [-u] PORT\n", argv[0]);
		exit(2);
	}
	port = strtol(argv[optind], &end, 10);
	if (*argv[optind] == '\0' || *end != '\0' || port < 0 || port > 65535) {
		fprintf(stderr, "%s: port '%s' is not 0..65535\n", argv[0], argv[optind]);
		exit(2);
	}
	options.port = (in_port_t)port;
	return options;
}

static inline void bind_loopback(int fd, in_port_t port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		die("bind");
}

/* flags are those of socket(2) besides SOCK_CLOEXEC. */
static inline int listen_on(in_port_t port, int flags)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bind_loopback(fd, port);
	if (listen(fd, 4096) < 0)
		die("listen");
	return fd;
}

/* The soft limit is 1,024 on most machines; a benchmark may want 10,000. */
static inline void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static inline void announce(int fd)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof addr;

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		die("getsockname");
	printf("listening 127.0.0.1:%u\n", ntohs(addr.sin_port));
	fflush(stdout);
}

/*
 * Upper-cases n bytes of ASCII in place, other bytes untouched. It works on
 * whole blocks, because -O2 alone does not vectorise a byte loop: the buffer is
 * aligned to BLOCK and a multiple of it long, and what it does to the bytes
 * after n does not matter, since nobody sends them.
 */
#define BLOCK 16
typedef unsigned char block __attribute__((vector_size(BLOCK), may_alias));

static inline void upper(void *bytes, size_t n)
{
	block *end = (block *)bytes + (n + BLOCK - 1) / BLOCK;

	for (block *b = bytes; b < end; b++)
		*b -= (block)((*b >= 'a') & (*b <= 'z')) & ('a' - 'A');
}

#endif
