#include <sys/un.h>

static int open_connection(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, @PATH@, @LENGTH@);
    int peer = socket(AF_UNIX, @KIND@, 0);
    if (peer < 0)
        fail("cannot make a socket");
@BIND@    socklen_t length = offsetof(struct sockaddr_un, sun_path) + @LENGTH@;
    if (connect(peer, (struct sockaddr *)&address, length) < 0)
        fail("cannot connect");
    return peer;
}
