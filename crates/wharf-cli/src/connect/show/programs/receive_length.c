/* All of them, or 0 where the stream ended before the first. */
static size_t read_all(int peer, void *buffer, size_t size)
{
    size_t have = 0;
    while (have < size) {
        size_t count = read_some(peer, (char *)buffer + have, size - have);
        if (count == 0 && have == 0)
            return 0;
        if (count == 0) {
            errno = EPROTO;
            fail("the stream ended in the middle of a message");
        }
        have += count;
    }
    return have;
}

/* Messages, each as a line, until the peer ends. */
static void receive(int peer)
{
    unsigned char prefix[WIDTH];
    while (read_all(peer, prefix, WIDTH) > 0) {
        uint64_t length = 0;
        for (int i = 0; i < WIDTH; i++)
            length |= (uint64_t)prefix[i] << (@SHIFT@);
        if (length > 16 << 20) {
            errno = EMSGSIZE;
            fail("cannot receive");
        }
        char *message = malloc(length + 1);
        if (message == NULL)
            fail("cannot receive");
        if (length > 0 && read_all(peer, message, length) == 0) {
            errno = EPROTO;
            fail("the stream ended in the middle of a message");
        }
        message[length] = '\n';
        write_all(STDOUT_FILENO, message, length + 1);
        free(message);
    }
}

