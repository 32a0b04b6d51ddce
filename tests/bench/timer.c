/* timer JOBS COUNT COMMAND...: runs COMMAND COUNT times, JOBS of them at once, and prints the nanoseconds that all took and
 * how many failed. "%d" within an argument becomes the number of the run. Output of the command is dropped. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static pid_t start(char** command, int number, posix_spawn_file_actions_t* actions) {
    char *arguments[256], texts[256][512];
    int n = 0;
    for (; command[n] && n < 255; n++) {
        char* mark = strstr(command[n], "%d");
        arguments[n] = command[n];
        if (mark) {
            snprintf(texts[n], sizeof texts[n], "%.*s%d%s", (int)(mark - command[n]), command[n], number, mark + 2);
            arguments[n] = texts[n];
        }
    }
    arguments[n] = NULL;
    pid_t pid;
    return posix_spawnp(&pid, arguments[0], actions, NULL, arguments, environ) == 0 ? pid : -1;
}

int main(int argc, char** argv) {
    if (argc < 4) return fprintf(stderr, "usage: timer JOBS COUNT COMMAND...\n"), 2;
    int jobs = atoi(argv[1]), count = atoi(argv[2]), started = 0, ended = 0, failed = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!getenv("TIMER_STDERR")) posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    long long begin = now();
    while (ended < count) {
        if (started < count && started - ended < jobs) {
            if (start(argv + 3, started++, &actions) < 0) ended++, failed++;
            continue;
        }
        int status;
        if (wait(&status) < 0) break;
        ended++;
        if (status != 0) failed++;
    }
    printf("%lld %d\n", now() - begin, failed);
    return 0;
}
