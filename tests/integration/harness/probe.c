/* What the tests need to try from inside a container and busybox cannot: system calls with odd arguments. Prints one
 * line for each question; "errno N" where the call failed, "ok" where it did not. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int tell(long result) {
    if (result < 0)
        printf("errno %d\n", errno);
    else
        printf("ok\n");
    return 0;
}

static int connect_to(const char* path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return tell(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr*)&address, sizeof address));
}

/* Sends what is on stdin to a socket, and shows in hex what comes back first. */
static int ask(const char* path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned char bytes[4096];
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(s, (struct sockaddr*)&address, sizeof address) != 0) return tell(-1);
    ssize_t n = read(0, bytes, sizeof bytes);
    if (n <= 0 || write(s, bytes, (size_t)n) != n) return tell(-1);
    n = read(s, bytes, sizeof bytes);
    for (ssize_t i = 0; i < n; ++i) printf("%02x", bytes[i]);
    return printf("\n") < 0;
}

static int descriptors(void) {
    DIR* d = opendir("/proc/self/fd");
    struct dirent* e;
    if (!d) return tell(-1);
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d)) continue;
        char target[256] = "";
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
        printf("%s %.*s\n", e->d_name, n < 0 ? 0 : (int)n, target);
    }
    return 0;
}

/* Opens a device node of our own making: what the device cgroup allows. */
static int node(int type, int major_number, int minor_number) {
    char path[] = "/tmp/probe-node";
    unlink(path);
    if (mknod(path, (mode_t)type | 0600, makedev((unsigned)major_number, (unsigned)minor_number)) < 0) return tell(-1);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    unlink(path);
    return tell(fd);
}

/* Writes `megabytes` of lines of 100 bytes as fast as it can. */
static int flood(long megabytes) {
    enum { size = 1 << 20 };
    static char block[size];
    for (int i = 0; i < size; i++) block[i] = i % 100 == 99 ? '\n' : (char)('a' + i % 26);
    block[size - 1] = '\n';
    for (long m = 0; m < megabytes; m++)
        for (ssize_t at = 0; at < size;) {
            ssize_t n = write(1, block + at, (size_t)(size - at));
            if (n < 0) return 1;
            at += n;
        }
    return 0;
}

static int grow(long megabytes) {
    for (long m = 0; m < megabytes; m++) {
        char* p = malloc(1 << 20);
        if (!p) return 3;
        memset(p, 1, 1 << 20);
    }
    printf("grown\n");
    return 0;
}

/* Asks the first name server of /etc/resolv.conf for the IPv4 address of a name, or reads it from /etc/hosts: a static
 * program has no resolver that it could trust. 0: found. */
static int address_of(const char* name, struct in_addr* address) {
    if (inet_aton(name, address)) return 0;
    char line[512], server[64] = "";
    FILE* f = fopen("/etc/hosts", "re");
    while (f && fgets(line, sizeof line, f)) {
        char *word = strtok(line, " \t\n"), *known;
        while (word && (known = strtok(NULL, " \t\n")))
            if (!strcmp(known, name) && inet_aton(word, address)) return 0;
    }
    f = fopen("/etc/resolv.conf", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "nameserver %63s", server) == 1) break;
    unsigned char q[512] = {0x12, 0x34, 1, 0, 0, 1}, a[1500];
    size_t n = 12;
    char copy[256];
    snprintf(copy, sizeof copy, "%s", name);
    for (char* label = strtok(copy, "."); label; label = strtok(NULL, ".")) {
        q[n++] = (unsigned char)strlen(label);
        memcpy(q + n, label, strlen(label));
        n += strlen(label);
    }
    q[n + 2] = 1;
    q[n + 4] = 1;
    n += 5;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {2, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (!inet_aton(server, &to.sin_addr) || connect(s, (struct sockaddr*)&to, sizeof to) < 0 || send(s, q, n, 0) < 0)
        return -1;
    ssize_t got = recv(s, a, sizeof a, 0);
    if (got < (ssize_t)n + 16 || (a[3] & 15) != 0) return -1;
    for (ssize_t at = (ssize_t)n; at + 16 <= got; at += 12 + a[at + 10] * 256 + a[at + 11])
        if (a[at + 3] == 1 && a[at + 11] == 4) return memcpy(address, a + at + 12, 4), 0;
    return -1;
}

static int get(const char* name, int port, const char* path) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (address_of(name, &to.sin_addr) < 0) return fprintf(stderr, "no address of %s\n", name), 3;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {3, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    for (int tries = 0; connect(s, (struct sockaddr*)&to, sizeof to) < 0; tries++) {
        if (errno != ECONNREFUSED || tries == 50) return tell(-1), 4;
        usleep(50000); /* the server may be starting */
        close(s);
        s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    dprintf(s, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, name);
    static char answer[65536];
    size_t n = 0;
    for (ssize_t got; n < sizeof answer - 1 && (got = read(s, answer + n, sizeof answer - 1 - n)) > 0;)
        n += (size_t)got;
    char* body = strstr(answer, "\r\n\r\n");
    if (!body || !strstr(answer, " 200 ")) return fprintf(stderr, "%s\n", answer), 5;
    fputs(body + 4, stdout);
    return 0;
}

/* Sends every datagram back. */
static int echo_udp(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}, from;
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(s, (struct sockaddr*)&at, sizeof at) < 0) return tell(-1), 1;
    for (char data[2048];;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(s, data, sizeof data, 0, (struct sockaddr*)&from, &size);
        if (n >= 0) (void)!sendto(s, data, (size_t)n, 0, (struct sockaddr*)&from, size);
    }
}

int main(int argc, char** argv) {
    const char* what = argc > 1 ? argv[1] : "";
    long a = argc > 2 ? strtol(argv[2], NULL, 0) : 0;
    long b = argc > 3 ? strtol(argv[3], NULL, 0) : 0;
    long c = argc > 4 ? strtol(argv[4], NULL, 0) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(what, "fds")) return descriptors();
    if (!strcmp(what, "syscall")) return tell(syscall(a, b, c, 0, 0, 0, 0));
    if (!strcmp(what, "socket")) return tell(socket((int)a, (int)b, (int)c));
    if (!strcmp(what, "clone-user")) return tell(unshare(CLONE_NEWUSER));
    if (!strcmp(what, "unshare")) return tell(unshare((int)a));
    if (!strcmp(what, "mount")) return tell(mount("none", "/tmp", "tmpfs", 0, NULL));
    if (!strcmp(what, "char")) return node(S_IFCHR, (int)a, (int)b);
    if (!strcmp(what, "block")) return node(S_IFBLK, (int)a, (int)b);
    if (!strcmp(what, "dumpable")) return printf("%d\n", prctl(PR_GET_DUMPABLE)) < 0;
    if (!strcmp(what, "open-write") && argc > 2) return tell(open(argv[2], O_WRONLY | O_CLOEXEC));
    if (!strcmp(what, "connect") && argc > 2) return connect_to(argv[2]);
    if (!strcmp(what, "ask") && argc > 2) return ask(argv[2]);
    if (!strcmp(what, "tiocsti")) return tell(ioctl(0, TIOCSTI, "x"));
    if (!strcmp(what, "trace")) return tell(ptrace(PTRACE_SEIZE, (pid_t)a, 0, 0));
    if (!strcmp(what, "flood")) return flood(a);
    if (!strcmp(what, "grow")) return grow(a);
    if (!strcmp(what, "signal")) return kill(getpid(), (int)a);
    if (!strcmp(what, "get") && argc > 2) return get(argv[2], b ? (int)b : 80, argc > 4 ? argv[4] : "/");
    if (!strcmp(what, "resolve") && argc > 2) {
        struct in_addr address;
        if (address_of(argv[2], &address) < 0) return printf("unknown\n"), 1;
        return puts(inet_ntoa(address)) < 0;
    }
    if (!strcmp(what, "echo-udp")) return echo_udp((int)a);
    if (!strcmp(what, "groups")) {
        gid_t groups[256];
        int n = getgroups(256, groups);
        for (int i = 0; i < n; i++) printf("%u ", groups[i]);
        return printf("\n") < 0;
    }
    if (!strcmp(what, "orphan")) { /* leaves a child behind that ends later: somebody has to reap it */
        if (fork() == 0) {
            usleep((useconds_t)(a * 1000));
            _exit(0);
        }
        return 0;
    }
    if (!strcmp(what, "forks")) { /* as many sleeping children as asked for; tells how many came to be */
        long n = 0;
        for (; n < a; n++) {
            pid_t pid = fork();
            if (pid < 0) break;
            if (pid == 0) {
                pause();
                _exit(0);
            }
        }
        printf("%ld\n", n);
        fflush(stdout);
        signal(SIGTERM, SIG_IGN);
        kill(0, SIGTERM);
        return 0;
    }
    fprintf(stderr, "probe: unknown question \"%s\"\n", what);
    return 2;
}
