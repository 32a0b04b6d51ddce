/* net_load serve PORT                       answers on PORT until it is ended: 's' is followed by bytes that are thrown away, 'c' is
 *                                           answered by the address of whoever asks
 * net_load stream ADDRESS PORT SECONDS      sends to a server as fast as it takes it; prints bytes a second
 * net_load connect ADDRESS PORT CLIENTS SECONDS   new connections, CLIENTS at once, an answer each; prints connections a second
 * net_load who ADDRESS PORT                 prints the address that the server sees
 * net_load ask ADDRESS NAME WINDOW SECONDS  questions for a name, WINDOW of them open; prints answers a second, and the nanoseconds
 *                                           of the median and of the 99th percentile
 * net_load await ADDRESS NAME               asks until there is an answer, and knocks at that address until it says something;
 *                                           prints the time of CLOCK_MONOTONIC in nanoseconds */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char scratch[1 << 17];

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int fail(const char* what) { return perror(what), 1; }

static struct sockaddr_in target(const char* address, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
        exit(fprintf(stderr, "net_load: \"%s\" is no address\n", address));
    return a;
}

static int dial(struct sockaddr_in to, int flags) {
    int s = socket(AF_INET, SOCK_STREAM | flags, 0), on = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(s, (struct sockaddr*)&to, sizeof to) != 0 && errno != EINPROGRESS) return close(s), -1;
    return s;
}

static void watch(int epoll, int op, int fd, uint32_t what) {
    struct epoll_event e = {.events = what, .data.fd = fd};
    epoll_ctl(epoll, op, fd, &e);
}

static int serve(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in here = target("0.0.0.0", port);
    if (bind(listener, (struct sockaddr*)&here, sizeof here) != 0 || listen(listener, 1024) != 0) return fail("listen");
    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
                continue;
            }
            ssize_t got = read(fd, scratch, sizeof scratch);
            if (got == 0 || (got < 0 && errno != EAGAIN)) close(fd);
            if (got == 1 && scratch[0] == 'c') {
                struct sockaddr_in peer;
                socklen_t length = sizeof peer;
                char text[INET_ADDRSTRLEN] = "";
                if (getpeername(fd, (struct sockaddr*)&peer, &length) == 0)
                    inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
                if (write(fd, text, strlen(text)) < 0) close(fd);
            }
        }
    }
}

static int stream(struct sockaddr_in to, double seconds) {
    int s = dial(to, 0);
    if (s < 0) return fail("connect");
    memset(scratch, 's', sizeof scratch);
    int64_t begin = now(), end = begin + (int64_t)(seconds * 1e9), sent = 0;
    while (now() < end) {
        ssize_t n = write(s, scratch, sizeof scratch);
        if (n < 0) return fail("write");
        sent += n;
    }
    return printf("%.0f\n", (double)sent * 1e9 / (double)(now() - begin)) < 0;
}

/* Ends with a reset, so that neither side keeps the pair of ports for a minute. */
static void drop(int s) {
    struct linger at_once = {1, 0};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(s);
}

static int connections(struct sockaddr_in to, int clients, double seconds) {
    int epoll = epoll_create1(0);
    int64_t begin = now(), end = begin + (int64_t)(seconds * 1e9), done = 0;
    for (int i = 0; i < clients; i++) {
        int s = dial(to, SOCK_NONBLOCK);
        if (s < 0) return fail("connect");
        watch(epoll, EPOLL_CTL_ADD, s, EPOLLOUT);
    }
    while (now() < end) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, 1000);
        if (n == 0) return fprintf(stderr, "net_load: no connection within a second\n"), 1;
        for (int i = 0; i < n; i++) {
            int s = events[i].data.fd;
            if (events[i].events & EPOLLOUT) {
                if (write(s, "c", 1) != 1) return fail("write");
                watch(epoll, EPOLL_CTL_MOD, s, EPOLLIN);
                continue;
            }
            if (read(s, scratch, sizeof scratch) <= 0) return fail("read");
            drop(s);
            done++;
            if ((s = dial(to, SOCK_NONBLOCK)) < 0) return fail("connect");
            watch(epoll, EPOLL_CTL_ADD, s, EPOLLOUT);
        }
    }
    return printf("%.0f\n", (double)done * 1e9 / (double)(now() - begin)) < 0;
}

static int who(struct sockaddr_in to) {
    int s = dial(to, 0);
    if (s < 0 || write(s, "c", 1) != 1) return fail("connect");
    ssize_t n = read(s, scratch, sizeof scratch - 1);
    if (n <= 0) return fail("read");
    scratch[n] = 0;
    return puts(scratch) < 0;
}

/* A question of type A with room for its id in front. */
static size_t question(const char* name, unsigned char* packet) {
    static const unsigned char head[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    memcpy(packet, head, sizeof head);
    size_t at = sizeof head;
    for (const char* label = name; *label;) {
        size_t length = strcspn(label, ".");
        packet[at++] = (unsigned char)length;
        memcpy(packet + at, label, length);
        at += length;
        label += length + (label[length] == '.');
    }
    memcpy(packet + at, "\0\0\1\0\1", 5);
    return at + 5;
}

static int asker(struct sockaddr_in to) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    return connect(s, (struct sockaddr*)&to, sizeof to) == 0 ? s : -1;
}

static int ascending(const void* a, const void* b) {
    int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
    return (x > y) - (x < y);
}

static int ask(struct sockaddr_in to, const char* name, int window, double seconds) {
    enum { most = 1 << 22 };
    static int64_t asked[65536], took[most];
    unsigned char packet[512], answer[512];
    size_t length = question(name, packet);
    int s = asker(to);
    if (s < 0) return fail("connect");
    uint16_t next = 0;
    int open = 0, answers = 0;
    int64_t begin = now(), end = begin + (int64_t)(seconds * 1e9);
    while (now() < end) {
        for (; open < window; open++, next++) {
            packet[0] = (unsigned char)(next >> 8), packet[1] = (unsigned char)next;
            asked[next] = now();
            if (send(s, packet, length, 0) < 0) return fail("send");
        }
        struct pollfd p = {s, POLLIN, 0};
        if (poll(&p, 1, 1000) <= 0) return fprintf(stderr, "net_load: no answer within a second\n"), 1;
        for (ssize_t n; (n = recv(s, answer, sizeof answer, MSG_DONTWAIT)) > 0; open--) {
            if (n < 12 || (answer[3] & 15) || answer[7] == 0)
                return fprintf(stderr, "net_load: no address in the answer\n"), 1;
            if (answers < most) took[answers++] = now() - asked[answer[0] << 8 | answer[1]];
        }
    }
    double elapsed = (double)(now() - begin);
    qsort(took, (size_t)answers, sizeof *took, ascending);
    return printf("%.0f %lld %lld\n", answers * 1e9 / elapsed, (long long)took[answers / 2],
                  (long long)took[(int64_t)answers * 99 / 100]) < 0;
}

static int await(struct sockaddr_in to, const char* name) {
    unsigned char packet[512], answer[512];
    size_t length = question(name, packet);
    int s = asker(to);
    if (s < 0) return fail("connect");
    puts("ready");
    fflush(stdout);
    for (;; usleep(1000)) {
        if (send(s, packet, length, 0) < 0) continue;
        struct pollfd p = {s, POLLIN, 0};
        if (poll(&p, 1, 100) <= 0) continue;
        ssize_t n = recv(s, answer, sizeof answer, 0);
        if (n < (ssize_t)length + 16 || (answer[3] & 15) || answer[7] == 0) continue;
        struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(9)};
        memcpy(&there.sin_addr, answer + n - 4, 4); /* the data of the one record are the last bytes */
        for (;;) {
            int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
            connect(door, (struct sockaddr*)&there, sizeof there);
            struct pollfd q = {door, POLLOUT, 0};
            socklen_t size = sizeof error;
            int ready = poll(&q, 1, 5);
            getsockopt(door, SOL_SOCKET, SO_ERROR, &error, &size);
            close(door);
            if (ready > 0 && (error == 0 || error == ECONNREFUSED)) return printf("%lld\n", (long long)now()) < 0;
        }
    }
}

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    const char* what = argc > 2 ? argv[1] : "";
    if (!strcmp(what, "serve")) return serve(atoi(argv[2]));
    if (!strcmp(what, "stream") && argc == 5) return stream(target(argv[2], atoi(argv[3])), atof(argv[4]));
    if (!strcmp(what, "connect") && argc == 6)
        return connections(target(argv[2], atoi(argv[3])), atoi(argv[4]), atof(argv[5]));
    if (!strcmp(what, "who") && argc == 4) return who(target(argv[2], atoi(argv[3])));
    if (!strcmp(what, "ask") && argc == 6) return ask(target(argv[2], 53), argv[3], atoi(argv[4]), atof(argv[5]));
    if (!strcmp(what, "await") && argc == 4) return await(target(argv[2], 53), argv[3]);
    return fprintf(stderr, "usage: net_load serve|stream|connect|who|ask|await ...\n"), 2;
}
