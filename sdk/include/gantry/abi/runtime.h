/* gantry/abi/runtime.h: running processes in containers.
 *
 * Runtime drivers are loaded by gantry-launcher, and their operations are called in the container's monitor: a
 * single-threaded process forked for one container, which is the subreaper of all that the driver starts, holds
 * the descriptors and collects exit statuses. So the driver may fork and clone here, answers before it returns,
 * and keeps what it needs to know of its one container in memory; it never waits for a container's end.
 * Deadline class: normal (30 s). */
#ifndef GANTRY_ABI_RUNTIME_H
#define GANTRY_ABI_RUNTIME_H
#include <gantry/abi/driver.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_RUNTIME "runtime/1"
typedef struct gantry_runtime { /* one thread; one container per process */
    uint32_t size, reserved;

    /* {"id", "bundle": "/dir with config.json (OCI runtime spec 1.0)", "mounts": [MOUNT of layer.h: the root],
     *  "terminal": bool, "seccomp": "digest of a profile given to warm, or empty",
     *  "fds": ["stdin","stdout","stderr","netns","mount:N",...]} -> {"pid": n, "fds": ["terminal"]}.
     * Makes the container up to, but not including, the exec of its process. stdin, stdout and stderr are absent
     * with "terminal", which gives the pty's master back. "netns" is the namespace to join (absent: config.json
     * decides). "mount:N" is the source of config.json's mounts[N], as O_PATH or detached mount; the text there is
     * for people only. `pid` is the container's first process, a child of the calling process.
     * Failed: nothing is left behind. */
    gantry_op create;

    /* {"id"}: the process execs. Fails with GANTRY_NOT_FOUND / GANTRY_DENIED / GANTRY_INVALID and the reason of
     * execve ("detail": {"errno": n}) where it cannot; the container has ended then. */
    gantry_op start;

    /* {"id", "signal": n, "all": bool}: to the first process or to every process of the container. No such
     * process is GANTRY_OK. */
    gantry_op signal;

    /* {"id", "process": OCI process object, "terminal": bool, "seccomp": "digest or empty",
     *  "fds": ["stdin","stdout","stderr"]} -> {"pid": n, "fds": ["terminal"]}: one more process inside; a child of
     * the calling process. Exec failure as for start. */
    gantry_op exec;

    /* {"id", "cgroup_path": "/.." optional}: kills what is left and removes cgroups and all else that create made.
     * What nobody but the calling process has of it, as mounts that are in no namespace any more, may go with that process,
     * which ends soon after. Already gone is GANTRY_OK. With "cgroup_path" (linux.cgroupsPath of its config.json) the calling process is not the
     * one that created the container: that one was killed, and this call sweeps after it. */
    gantry_op remove;
} gantry_runtime;

#define GANTRY_RUNTIME_WARM "runtime.warm/1"
typedef struct gantry_runtime_warm { /* called in the launcher, so that every later monitor has what it made */
    uint32_t size, reserved;

    /* {"digest", "profile": OCI linux.seccomp object with the engine's rules resolved for these capabilities}:
     * compiles a seccomp filter and keeps it under `digest`. Repeatable. */
    gantry_op seccomp;
} gantry_runtime_warm;

#define GANTRY_RUNTIME_PAUSE "runtime.pause/1"
typedef struct gantry_runtime_pause {
    uint32_t size, reserved;
    gantry_op pause;  /* {"id"}: all processes stand still when it answers. Repeatable. */
    gantry_op resume; /* {"id"}. Repeatable. */
} gantry_runtime_pause;

#define GANTRY_RUNTIME_STATS "runtime.stats/1"
typedef struct gantry_runtime_stats {
    uint32_t size, reserved;
    /* {"id"} -> {"cpu": {"usage_ns","user_ns","system_ns","periods","throttled_periods","throttled_ns","percpu_ns":[]},
     *  "memory": {"usage","max_usage","limit","failcnt","stats": {name: n}}, "pids": {"current","limit"},
     *  "blkio": [{"major","minor","op","bytes","ios"}], "cgroup_version": 1|2}. Members that the kernel does not give
     * are absent. */
    gantry_op stats;
    gantry_op pids; /* {"id"} -> {"pids": [n]}: every process, as seen from the engine. */
} gantry_runtime_stats;

#define GANTRY_RUNTIME_UPDATE "runtime.update/1"
typedef struct gantry_runtime_update {
    uint32_t size, reserved;
    gantry_op update; /* {"id", "resources": OCI linux.resources}: applied to the running container. */
} gantry_runtime_update;

#ifdef __cplusplus
}
#endif
#endif
