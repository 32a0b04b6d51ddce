/* api_load SOCKET CLIENTS REQUESTS PATH: CLIENTS threads with a connection each ask for PATH again and again, REQUESTS times in
 * all, and read each answer whole. Prints the nanoseconds of the median, the 99th percentile and the slowest, of all together,
 * and the bytes of one answer. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *path, *request_path;
static long long* taken;
static int clients, requests;
static long body_bytes;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void give_up(const char* what) {
    perror(what);
    exit(1);
}

/* Reads the rest of a body in chunks, of which `seen` is there already. JSON has no line ends of this kind in it, and
 * nothing comes behind: so the last chunk shows at the end. */
static long read_chunks(int fd, char* buffer, size_t room, const char* seen, size_t seen_size) {
    static const char last[] = "\r\n0\r\n\r\n";
    const size_t size = sizeof last - 1;
    char tail[sizeof last - 1] = {0};
    long all = (long)seen_size;
    for (;;) {
        if (seen_size >= size) {
            memcpy(tail, seen + seen_size - size, size);
        } else {
            memmove(tail, tail + seen_size, size - seen_size);
            memcpy(tail + size - seen_size, seen, seen_size);
        }
        if (memcmp(tail, last, size) == 0) return all;
        ssize_t n = read(fd, buffer, room);
        if (n <= 0) give_up("read");
        seen = buffer;
        seen_size = (size_t)n;
        all += n;
    }
}

/* Reads one answer, by its Content-Length or in chunks, and nothing behind it. */
static void read_answer(int fd, char* buffer, size_t room) {
    size_t got = 0;
    char* body = NULL;
    while (!body) {
        ssize_t n = read(fd, buffer + got, room - 1 - got);
        if (n <= 0) give_up("read");
        got += (size_t)n;
        buffer[got] = 0;
        body = strstr(buffer, "\r\n\r\n");
    }
    if (strncmp(buffer, "HTTP/1.1 200", 12) != 0) exit((fprintf(stderr, "%.200s\n", buffer), 1));
    char* length = strcasestr(buffer, "\r\ncontent-length:");
    if (!length || length > body) {
        char* chunked = strcasestr(buffer, "\r\ntransfer-encoding: chunked");
        if (!chunked || chunked > body) exit((fprintf(stderr, "neither a Content-Length nor chunks\n"), 1));
        body_bytes = read_chunks(fd, buffer, room, body + 4, got - (size_t)(body + 4 - buffer));
        return;
    }
    long left = atol(length + 17);
    body_bytes = left;
    left -= (long)(got - (size_t)(body + 4 - buffer));
    while (left > 0) {
        ssize_t n = read(fd, buffer, room);
        if (n <= 0) give_up("read");
        left -= n;
    }
}

static void* client(void* number) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) give_up("connect");
    char request[1024];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: docker\r\n\r\n", request_path);
    size_t room = 1 << 18;
    char* buffer = malloc(room);
    for (long i = (long)number; i < requests; i += clients) {
        long long begin = now();
        if (write(fd, request, (size_t)size) != size) give_up("write");
        read_answer(fd, buffer, room);
        taken[i] = now() - begin;
    }
    close(fd);
    free(buffer);
    return NULL;
}

static int by_size(const void* a, const void* b) {
    long long x = *(const long long*)a, y = *(const long long*)b;
    return (x > y) - (x < y);
}

int main(int argc, char** argv) {
    if (argc != 5) return fprintf(stderr, "usage: api_load SOCKET CLIENTS REQUESTS PATH\n"), 2;
    path = argv[1], clients = atoi(argv[2]), requests = atoi(argv[3]), request_path = argv[4];
    taken = calloc((size_t)requests, sizeof *taken);
    pthread_t* threads = calloc((size_t)clients, sizeof *threads);
    long long begin = now();
    for (long i = 0; i < clients; i++) pthread_create(&threads[i], NULL, client, (void*)i);
    for (int i = 0; i < clients; i++) pthread_join(threads[i], NULL);
    long long whole = now() - begin;
    qsort(taken, (size_t)requests, sizeof *taken, by_size);
    printf("%lld %lld %lld %lld %ld\n", taken[requests / 2], taken[requests * 99L / 100], taken[requests - 1], whole,
           body_bytes);
    return 0;
}
