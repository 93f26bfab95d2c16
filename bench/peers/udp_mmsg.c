/*
 * udp_mmsg.c - bare UDP echo: one thread, recvmmsg/sendmmsg in batches of 64.
 *
 *   udp_mmsg [-u] PORT      -u answers in upper-case ASCII
 *
 * recvmmsg blocks for the first datagram and takes whatever else is queued
 * (MSG_WAITFORONE); the same headers, cut to the received lengths, then go to
 * sendmmsg. Both socket buffers are asked to be 4 MiB, because the default of
 * about 208 KiB loses datagrams as soon as a few hundred are in flight; stderr
 * says what was granted.
 */
#include "peer.h"

#define BATCH 64
#define DATAGRAM 65536 /* above the largest UDP payload, so nothing is truncated */
#define SOCKET_BUFFER (4 << 20)

static unsigned char payloads[BATCH][DATAGRAM] __attribute__((aligned(BLOCK)));
static struct sockaddr_in peers[BATCH];
static struct iovec iovecs[BATCH];
static struct mmsghdr messages[BATCH];

/* FORCE goes beyond net.core.[rw]mem_max, but needs CAP_NET_ADMIN. */
static void grow_buffer(int fd, const char *name, int force, int plain)
{
	int size = SOCKET_BUFFER, granted = 0;
	socklen_t len = sizeof granted;

	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof size) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size);
	getsockopt(fd, SOL_SOCKET, plain, &granted, &len);
	/* The kernel reports twice the size: its bookkeeping included, socket(7). */
	fprintf(stderr, "%s buffer %d KiB\n", name, granted / 2 / 1024);
}

static int open_socket(in_port_t port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	grow_buffer(fd, "receive", SO_RCVBUFFORCE, SO_RCVBUF);
	grow_buffer(fd, "send", SO_SNDBUFFORCE, SO_SNDBUF);
	bind_loopback(fd, port);
	return fd;
}

static void prepare_messages(void)
{
	for (int i = 0; i < BATCH; i++) {
		iovecs[i].iov_base = payloads[i];
		messages[i].msg_hdr.msg_name = &peers[i];
		messages[i].msg_hdr.msg_iov = &iovecs[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static int receive_batch(int fd)
{
	for (int i = 0; i < BATCH; i++) {
		iovecs[i].iov_len = DATAGRAM;
		messages[i].msg_hdr.msg_namelen = sizeof peers[i];
	}
	int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

	if (n < 0 && errno != EINTR)
		die("recvmmsg");
	return n;
}

static void send_batch(int fd, int count)
{
	for (int sent = 0; sent < count;) {
		int n = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);

		if (n > 0)
			sent += n;
		else if (errno != EINTR)
			sent++; /* this one cannot be sent; the others can */
	}
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	int fd = open_socket(options.port);

	prepare_messages();
	announce(fd);
	for (;;) {
		int count = receive_batch(fd);

		for (int i = 0; i < count; i++) {
			iovecs[i].iov_len = messages[i].msg_len;
			if (options.mode == UPPER)
				upper(payloads[i], messages[i].msg_len);
		}
		send_batch(fd, count);
	}
}
