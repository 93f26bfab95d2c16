    static char answer[65536];
    ssize_t count = recv(peer, answer, sizeof answer - 1, 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        fputs("error: no answer in time\n", stderr);
        exit(28);
    }
    if (count < 0)
        fail("cannot receive");
    if (count == 0 || answer[count - 1] != '\n')
        answer[count++] = '\n';
    fwrite(answer, 1, (size_t)count, stdout);
    fflush(stdout);
