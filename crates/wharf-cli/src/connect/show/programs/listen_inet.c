static int open_server(void)
{
    struct addrinfo hints = {.ai_family = @FAMILY@, .ai_socktype = @KIND@};
    struct addrinfo *one;
    int error = getaddrinfo(@HOST@, "@PORT@", &hints, &one);
    if (error != 0) {
        fprintf(stderr, "error: %s\n", gai_strerror(error));
        exit(6);
    }
    int server = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
    if (server < 0)
        fail("cannot make a socket");
@REUSE@    if (bind(server, one->ai_addr, one->ai_addrlen) < 0)
        fail("cannot bind");
    freeaddrinfo(one);
@LISTEN@    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    if (getsockname(server, (struct sockaddr *)&own, &length) < 0)
        fail("cannot read the own address");
    /* The port stands in the same place for IPv4 and IPv6. */
    fprintf(stderr, "listening on port %d\n", ntohs(((struct sockaddr_in *)&own)->sin_port));
    return server;
}
