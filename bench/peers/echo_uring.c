/*
 * echo_uring.c - bare TCP echo on io_uring: one thread, multishot accept and receive.
 *
 *   echo_uring [-u] PORT      -u answers in upper-case ASCII
 *
 * All connections share a ring of buffers (io_uring_register_buf_ring(3)): the kernel
 * picks one for what came, it is sent from there, and goes back to the ring when all of
 * it is sent. A connection sends one buffer at a time and queues the others, so bytes
 * keep their order. If no buffer is left, receiving stops, and as many connections
 * start it again as buffers came back, as soon as they have something to receive.
 *
 *      accept ─▶ receive ─buffer─▶ queue ─▶ send ─all─▶ buffer back, next of the queue
 *                   │ end                     │ error
 *                   ▼                         ▼
 *                close, when nothing is queued
 */
#include "peer.h"

#include <liburing.h>
#include <netinet/tcp.h>

#define ENTRIES 4096
#define BUFFER 65536
#define BUFFERS 1024 /* a power of two */
#define GROUP 0
#define NOBODY -1

/* A buffer that waits or is sent. */
struct piece {
	int next; /* of the same connection, or NOBODY */
	unsigned start, end;
};

struct connection {
	int fd;
	int first, last; /* pieces, or NOBODY; the first is being sent */
	int receives, starves, broken;
	struct connection *next_starving;
};

static struct io_uring ring;
static struct io_uring_buf_ring *spare;
static unsigned char (*buffers)[BUFFER];
static struct piece pieces[BUFFERS];
static struct connection *starving;
static int came_back; /* buffers, since the starving were fed */

/* What a completion belongs to stands in the lowest bit of its user data. */
enum work { RECEIVE = 0, SEND = 1 };

/* liburing returns errors and leaves errno alone. */
static void check(int error, const char *what)
{
	if (error < 0) {
		errno = -error;
		die(what);
	}
}

static struct io_uring_sqe *entry(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		check(io_uring_submit(&ring), "io_uring_submit");
	return sqe;
}

static void tag(struct io_uring_sqe *sqe, struct connection *c, enum work work)
{
	io_uring_sqe_set_data64(sqe, (uintptr_t)c | work);
}

static void give_back(int buffer)
{
	io_uring_buf_ring_add(spare, buffers[buffer], BUFFER, (unsigned short)buffer,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(spare, 1);
	came_back++;
}

static void start_accept(int listener)
{
	struct io_uring_sqe *sqe = entry();

	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, 0);
}

static void start_receive(struct connection *c, unsigned short flags)
{
	struct io_uring_sqe *sqe = entry();

	io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
	sqe->ioprio |= flags;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	tag(sqe, c, RECEIVE);
	c->receives = 1;
}

static void start_send(struct connection *c)
{
	struct io_uring_sqe *sqe = entry();
	struct piece *p = &pieces[c->first];

	/* WAITALL: the kernel goes on by itself after a part. */
	io_uring_prep_send(sqe, c->fd, buffers[c->first] + p->start, p->end - p->start,
			   MSG_WAITALL | MSG_NOSIGNAL);
	tag(sqe, c, SEND);
}

static void accepted(int fd)
{
	struct connection *c = calloc(1, sizeof *c);
	int on = 1;

	if (!c)
		die("calloc");
	c->fd = fd;
	c->first = c->last = NOBODY;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	start_receive(c, 0);
}

static void close_if_over(struct connection *c)
{
	if (c->receives || c->starves || c->first != NOBODY)
		return;
	close(c->fd);
	free(c);
}

static void queue(struct connection *c, int buffer, int len, enum mode mode)
{
	if (c->broken) {
		give_back(buffer);
		return;
	}
	if (mode == UPPER)
		upper(buffers[buffer], (size_t)len);
	pieces[buffer] = (struct piece){ .next = NOBODY, .end = (unsigned)len };
	if (c->first == NOBODY) {
		c->first = c->last = buffer;
		start_send(c);
	} else {
		pieces[c->last].next = buffer;
		c->last = buffer;
	}
}

static void received(struct connection *c, struct io_uring_cqe *cqe, enum mode mode)
{
	c->receives = (cqe->flags & IORING_CQE_F_MORE) != 0;
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		int buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

		if (cqe->res > 0)
			queue(c, buffer, cqe->res, mode);
		else
			give_back(buffer);
	}
	if (cqe->res == -ENOBUFS) {
		c->starves = 1;
		c->next_starving = starving;
		starving = c;
	} else if (cqe->res > 0 && !c->receives) {
		/* The kernel ended the multishot, and the stream goes on. */
		start_receive(c, 0);
	}
	close_if_over(c);
}

static void sent(struct connection *c, int res)
{
	struct piece *p = &pieces[c->first];

	if (res > 0 && p->start + (unsigned)res < p->end) {
		p->start += (unsigned)res;
		start_send(c);
		return;
	}
	if (res <= 0) {
		c->broken = 1;
		shutdown(c->fd, SHUT_RDWR); /* ends the receiving as well */
	}
	do {
		int done = c->first;

		c->first = pieces[done].next;
		give_back(done);
	} while (c->broken && c->first != NOBODY);
	if (c->first != NOBODY)
		start_send(c);
	close_if_over(c);
}

/*
 * Buffers came back: as many of who found none try again, and take one only when there
 * is something to receive.
 */
static void feed(void)
{
	for (; starving && came_back; came_back--) {
		struct connection *c = starving;

		starving = c->next_starving;
		c->starves = 0;
		start_receive(c, IORING_RECVSEND_POLL_FIRST);
	}
	came_back = 0;
}

static void set_up(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE,
		.cq_entries = 4 * ENTRIES,
	};
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = GROUP };

	check(io_uring_queue_init_params(ENTRIES, &ring, &params), "io_uring_queue_init");
	if (posix_memalign((void **)&spare, 4096, BUFFERS * sizeof(struct io_uring_buf)) ||
	    posix_memalign((void **)&buffers, 4096, sizeof *buffers * BUFFERS))
		die("posix_memalign");
	reg.ring_addr = (uintptr_t)spare;
	check(io_uring_register_buf_ring(&ring, &reg, 0), "io_uring_register_buf_ring");
	io_uring_buf_ring_init(spare);
	for (int i = 0; i < BUFFERS; i++)
		give_back(i);
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	int listener = listen_on(options.port, 0);

	raise_descriptor_limit();
	set_up();
	start_accept(listener);
	announce(listener);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, count = 0;
		int error = io_uring_submit_and_wait(&ring, 1);

		if (error != -EINTR)
			check(error, "io_uring_submit_and_wait");
		io_uring_for_each_cqe(&ring, head, cqe) {
			uint64_t data = io_uring_cqe_get_data64(cqe);
			struct connection *c = (void *)(uintptr_t)(data & ~(uint64_t)SEND);

			count++;
			if (!c && cqe->res >= 0)
				accepted(cqe->res);
			if (!c && !(cqe->flags & IORING_CQE_F_MORE))
				start_accept(listener);
			if (c && data & SEND)
				sent(c, cqe->res);
			else if (c)
				received(c, cqe, options.mode);
		}
		io_uring_cq_advance(&ring, count);
		feed();
	}
}
