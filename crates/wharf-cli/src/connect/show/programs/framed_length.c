#define WIDTH @WIDTH@

/* The length first, so that the receiver knows where the message ends. */
static void send_message(int peer, const char *message, size_t length)
{
    unsigned char prefix[WIDTH];
    if ((uint64_t)length > @MOST@) {
        errno = EMSGSIZE;
        fail("cannot send");
    }
    for (int i = 0; i < WIDTH; i++)
        prefix[i] = (unsigned char)((uint64_t)length >> (@SHIFT@));
    write_all(peer, prefix, WIDTH);
    write_all(peer, message, length);
}

