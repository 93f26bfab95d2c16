    /* A peer can answer only a socket that has a name; Linux chooses one (unix(7)). */
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    if (bind(peer, (struct sockaddr *)&own, sizeof own.sun_family) < 0)
        fail("cannot bind");
