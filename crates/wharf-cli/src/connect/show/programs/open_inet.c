/* Tries every address of the name, until one answers. */
static int open_connection(void)
{
    struct addrinfo hints = {.ai_family = @FAMILY@, .ai_socktype = @KIND@};
    struct addrinfo *all;
    int error = getaddrinfo(@HOST@, "@PORT@", &hints, &all);
    if (error != 0) {
        fprintf(stderr, "error: %s\n", gai_strerror(error));
        exit(6);
    }
    for (struct addrinfo *one = all; one != NULL; one = one->ai_next) {
        int peer = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (peer < 0)
            continue;
        if (connect(peer, one->ai_addr, one->ai_addrlen) == 0) {
            freeaddrinfo(all);
            return peer;
        }
        int reason = errno;
        close(peer);
        errno = reason;
    }
    fail("cannot connect");
    return -1;
}
