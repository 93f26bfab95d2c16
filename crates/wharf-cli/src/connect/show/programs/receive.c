/* Until the peer ends. */
static void receive(int peer)
{
    static char buffer[65536];
    size_t count;
    while ((count = read_some(peer, buffer, sizeof buffer)) > 0)
        write_all(STDOUT_FILENO, buffer, count);
}

