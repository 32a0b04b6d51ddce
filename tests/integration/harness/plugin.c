/* A managed plugin as the tests want it. Serves HTTP on /run/docker/plugins/SOCKET and says that it implements IMPLEMENTS
 * ("VolumeDriver"). The first argument says how it behaves:
 *   serve     as it should
 *   silent    listens and never answers
 *   deaf      makes no socket
 *   huge      answers with 100,000 bytes
 *   nonsense  answers with no JSON
 *   link      its socket is a link to one elsewhere
 *   end       ends at once, with code 3
 *   stubborn  serves and ignores SIGTERM
 *   mount     serves, with a tmpfs mounted on /mnt/volumes/one */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char* setting(const char* name, const char* otherwise) {
    const char* value = getenv(name);
    return value && *value ? value : otherwise;
}

static void answer(int client, const char* body) {
    char head[200];
    int size =
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 strlen(body));
    if (write(client, head, (size_t)size) < 0 || write(client, body, strlen(body)) < 0) return;
}

static void end(int number) {
    (void)number;
    _exit(0);
}

int main(int argc, char** argv) {
    const char* way = argc > 1 ? argv[1] : "serve";
    static char body[100001];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char* name = setting("SOCKET", "p.sock");
    snprintf(address.sun_path, sizeof address.sun_path, "/run/docker/plugins/%s", name);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, strcmp(way, "stubborn") == 0 ? SIG_IGN : end);
    if (strcmp(way, "end") == 0) return 3;
    if (strcmp(way, "deaf") == 0)
        for (;;) pause();
    if (strcmp(way, "mount") == 0) {
        mkdir("/mnt/volumes/one", 0755);
        if (mount("tmpfs", "/mnt/volumes/one", "tmpfs", 0, NULL) != 0) return 4;
    }
    if (strcmp(way, "link") == 0) {
        if (symlink("elsewhere.sock", address.sun_path) != 0) return 5;
        snprintf(address.sun_path, sizeof address.sun_path, "/run/docker/plugins/elsewhere.sock");
    }
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(address.sun_path);
    if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 16) != 0) return 6;
    snprintf(body, sizeof body, "{\"Implements\": [\"%s\"]}", setting("IMPLEMENTS", "VolumeDriver"));
    if (strcmp(way, "huge") == 0) memset(body, 'a', sizeof body - 1);
    if (strcmp(way, "nonsense") == 0) snprintf(body, sizeof body, "Implements: all");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        char request[4096];
        size_t size = 0;
        ssize_t n;
        if (client < 0) continue;
        while (size < sizeof request - 1 && (n = read(client, request + size, sizeof request - 1 - size)) > 0) {
            size += (size_t)n;
            request[size] = 0;
            if (strstr(request, "\r\n\r\n")) break;
        }
        if (strcmp(way, "silent") == 0) continue;
        if (strncmp(request, "POST /Plugin.Activate ", 22) == 0) answer(client, body);
        close(client);
    }
}
