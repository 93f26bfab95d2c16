/* write() may take only a part. */
static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        bytes += count;
        length -= (size_t)count;
    }
    return 0;
}

/* 0 is the end, negative an error. */
static ssize_t read_some(int fd, char *buffer, size_t size)
{
    ssize_t count;
    do
        count = read(fd, buffer, size);
    while (count < 0 && errno == EINTR);
    return count;
}

@BODY@

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of write() */
    signal(SIGCHLD, SIG_IGN); /* children are not waited for */
    int server = open_server();
    for (;;) {
        int peer = accept(server, NULL, NULL);
        if (peer < 0) {
            /* For example no descriptor is free: those who are here are still served. */
            struct timespec pause = {.tv_nsec = 100000000};
            if (errno != EINTR && errno != ECONNABORTED) {
                perror("cannot accept");
                nanosleep(&pause, NULL);
            }
            continue;
        }
        pid_t child = fork();
        if (child == 0) {
            close(server);
            if (serve(peer) < 0) {
                perror("connection");
                _exit(1);
            }
            fflush(stdout);
            _exit(0);
        }
        if (child < 0)
            perror("cannot fork");
        close(peer);
    }
}
