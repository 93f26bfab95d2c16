static int open_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, @PATH@, @LENGTH@);
    int server = socket(AF_UNIX, @KIND@, 0);
    if (server < 0)
        fail("cannot make a socket");
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + @LENGTH@;
    if (bind(server, (struct sockaddr *)&address, length) < 0)
        fail("cannot bind");
@LISTEN@    fprintf(stderr, "listening on a Unix socket\n");
    return server;
}
