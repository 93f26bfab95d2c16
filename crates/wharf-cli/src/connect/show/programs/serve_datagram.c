@BODY@

int main(void)
{
    int server = open_server();
    static char buffer[65536];
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t peer_length = sizeof peer;
        ssize_t count =
            recvfrom(server, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &peer_length);
        if (count < 0) {
            if (errno != EINTR) /* of one datagram: others are still answered */
                perror("cannot receive");
            continue;
        }
        ssize_t length = answer(buffer, (size_t)count);
        if (length >= 0 &&
            sendto(server, buffer, (size_t)length, 0, (struct sockaddr *)&peer, peer_length) < 0)
            perror("cannot answer");
    }
}
