static void send_message(int peer, const char *message, size_t length)
{
    write_all(peer, message, length);
    write_all(peer, "\n", 1);
}

