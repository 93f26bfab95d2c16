/* load_epoll - what the socket API allows a load generator: one thread, edge-triggered epoll,
 * a closed loop of CONNECTIONS with DEPTH messages of SIZE bytes in flight on each; every byte of
 * every reply is compared. No histogram, no clock per message, no phases: the least that a
 * generator can do and still know that the replies are right.
 *
 *   load_epoll PORT CONNECTIONS DEPTH SIZE SECONDS
 *
 * Prints the messages per second of the time after a warm-up of 200 ms. The server is an echo at
 * 127.0.0.1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD = 65537, SLICE = 65536 };

struct connection {
    int socket;
    size_t sent_at, due_at; /* positions in the stream of bytes */
    size_t unsent, owed;    /* bytes issued and not written; bytes of replies owed */
};

static unsigned char bytes[PERIOD + SLICE];
static unsigned char space[SLICE];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fill(void) {
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < PERIOD; i++) {
        state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
        bytes[i] = (unsigned char)((state * 0x2545f4914f6cdd1du) >> 56);
    }
    memcpy(bytes + PERIOD, bytes, SLICE);
}

static void send_some(struct connection *one) {
    while (one->unsent > 0) {
        size_t most = one->unsent < SLICE ? one->unsent : SLICE;
        ssize_t count = send(one->socket, bytes + one->sent_at, most, MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EAGAIN) return;
            die("send");
        }
        one->unsent -= (size_t)count;
        one->sent_at = (one->sent_at + (size_t)count) % PERIOD;
    }
}

/* Returns how many bytes came, all of them right. */
static size_t receive(struct connection *one) {
    size_t all = 0;
    for (;;) {
        ssize_t count = recv(one->socket, space, SLICE, 0);
        if (count < 0) {
            if (errno == EAGAIN) return all;
            die("recv");
        }
        if (count == 0 || (size_t)count > one->owed ||
            memcmp(space, bytes + one->due_at, (size_t)count) != 0) {
            fputs("a wrong reply\n", stderr);
            exit(1);
        }
        one->owed -= (size_t)count;
        one->due_at = (one->due_at + (size_t)count) % PERIOD;
        all += (size_t)count;
        if (count < SLICE) return all;
    }
}

int main(int count, char **words) {
    if (count != 6) {
        fputs("usage: load_epoll PORT CONNECTIONS DEPTH SIZE SECONDS\n", stderr);
        return 2;
    }
    size_t connections = strtoul(words[2], NULL, 10), depth = strtoul(words[3], NULL, 10);
    size_t size = strtoul(words[4], NULL, 10);
    double seconds = strtod(words[5], NULL);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(words[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fill();
    int poll = epoll_create1(0), yes = 1;
    struct connection *all = calloc(connections, sizeof *all);
    if (poll < 0 || all == NULL) die("start");
    for (size_t i = 0; i < connections; i++) {
        struct connection *one = &all[i];
        one->socket = socket(AF_INET, SOCK_STREAM, 0);
        if (one->socket < 0 || connect(one->socket, (void *)&at, sizeof at) != 0) die("connect");
        setsockopt(one->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (fcntl(one->socket, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = one};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, one->socket, &event) != 0) die("epoll_ctl");
        one->sent_at = one->due_at = (i * 8191) % PERIOD;
        one->unsent = one->owed = depth * size;
    }
    double begin = now() + 0.2, end = begin + seconds;
    uint64_t received = 0;
    int measuring = 0;
    struct epoll_event events[1024];
    for (size_t i = 0; i < connections; i++) send_some(&all[i]);
    for (;;) {
        int ready = epoll_wait(poll, events, 1024, 20);
        double time = now();
        if (!measuring && time >= begin) measuring = 1, begin = time, received = 0;
        if (time >= end) {
            printf("%.0f\n", (double)received / (double)size / (time - begin));
            return 0;
        }
        for (int i = 0; i < ready; i++) {
            struct connection *one = events[i].data.ptr;
            size_t before = one->owed;
            size_t came = receive(one);
            received += came;
            /* As many messages as are complete now are sent again. */
            size_t complete = (before + size - 1) / size - (one->owed + size - 1) / size;
            one->unsent += complete * size;
            one->owed += complete * size;
            send_some(one);
        }
    }
}
