/* gantry/abi/driver.h: the border between the engine and a driver. C11; includes nothing of ours.
 *
 * A driver is a shared object that exports one function, gantry_driver_entry. Everything else passes
 * through tables of function pointers. Rules that hold for every struct here:
 *  - it starts with its size; the reader uses a field only where the writer's size covers it (GANTRY_HAS);
 *  - fields are only ever appended; a pointer that is NULL means "not offered".
 * Rules that hold for every call:
 *  - strings are UTF-8, not NUL-terminated, *borrowed* for the length of the call unless a comment says otherwise;
 *  - nothing is thrown across the border, and memory is freed on the side that made it;
 *  - descriptors in a request or reply are *borrowed*: the receiver dups what it keeps.
 * Words for threads: [any thread] may come from any thread, several at once; [one per object] the engine
 * serialises the calls that carry one object's id, calls for different objects run side by side. */
#ifndef GANTRY_ABI_DRIVER_H
#define GANTRY_ABI_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_ABI_MAJOR 1u /* unequal: the driver is refused. Appending never raises it. */
#define GANTRY_ABI_MINOR 0u /* raised by each appended field or table */
#define GANTRY_HAS(p, field) ((p)->size >= offsetof(__typeof__(*(p)), field) + sizeof((p)->field))

/* UTF-8 text or JSON. ptr may be NULL when len is 0. */
typedef struct gantry_str {
    const char *ptr;
    uint64_t len;
} gantry_str;

/* The outcome of an operation. GANTRY_DEADLINE and GANTRY_CANCELLED leave the object uncertain: the
 * engine asks `inspect` next. All others are certain: done wholly, or not at all. */
typedef int32_t gantry_status;
enum {
    GANTRY_OK = 0,
    GANTRY_INVALID = 1,      /* the request is wrong; asking again cannot help */
    GANTRY_NOT_FOUND = 2,    /* the object it names is not there */
    GANTRY_CONFLICT = 3,     /* the object is there with another specification */
    GANTRY_PRECONDITION = 4, /* an older generation than the driver has seen */
    GANTRY_BUSY = 5,         /* in use */
    GANTRY_RETRY_LATER = 6,  /* a passing condition */
    GANTRY_UNSUPPORTED = 7,  /* not offered by this driver or this kernel */
    GANTRY_EXHAUSTED = 8,    /* no space, addresses, descriptors or memory left */
    GANTRY_DEADLINE = 9,     /* the time given ran out */
    GANTRY_CANCELLED = 10,   /* the engine gave up the call */
    GANTRY_DENIED = 11,      /* not permitted */
    GANTRY_CORRUPT = 12,     /* stored data is damaged */
    GANTRY_INTERNAL = 13     /* a defect of the driver */
};

/* One operation under way. *Owned by* the engine, valid until reply() for it has returned. */
typedef struct gantry_call gantry_call;

/* Every operation of every table. `self` is gantry_driver.self; `request` is a JSON object; `fds` are the
 * descriptors that the request's member "fds" names, in that order. The driver answers exactly once with
 * gantry_host.reply, from any thread, before or after it returns. */
typedef void (*gantry_op)(void *self, gantry_call *call, gantry_str request, const int *fds, uint32_t fd_count);

enum { GANTRY_LOG_ERROR = 1, GANTRY_LOG_WARN = 2, GANTRY_LOG_INFO = 3, GANTRY_LOG_DEBUG = 4 };

/* What the engine lends a driver; valid from open() until close() has returned. All members [any thread]. */
typedef struct gantry_host {
    uint32_t size;
    uint32_t abi_minor; /* of the engine */
    void *ctx;          /* first argument of the members below that take one */

    /* Writes one line to the engine's log; `call` may be NULL. Newlines are escaped. */
    void (*log)(void *ctx, gantry_call *call, int32_t level, gantry_str text);

    /* Answers `call`. With GANTRY_OK, `json` is the result object ("" stands for {}); otherwise it is
     * {"message": "one line", "detail": {...}} (detail optional). `fds` are named by the result's "fds".
     * Copied before it returns. A second reply to one call is logged and dropped. */
    void (*reply)(gantry_call *call, gantry_status status, gantry_str json, const int *fds, uint32_t fd_count);

    /* Not 0: the engine no longer waits for `call`; undo or finish soon, then reply. */
    int32_t (*cancelled)(const gantry_call *call);

    /* Milliseconds until the deadline of `call`; 0 or less: passed. */
    int64_t (*remaining_ms)(const gantry_call *call);

    /* Runs fn(arg) on a thread of its own inside the network namespace behind `netns_fd`, and waits for it.
     * GANTRY_OK: fn ran and *result holds what it returned. A driver never calls setns itself. */
    gantry_status (*in_netns)(void *ctx, int netns_fd, int32_t (*fn)(void *arg), void *arg, int32_t *result);

    /* Runs a program outside the engine's process and waits for its end or the call's deadline (then its
     * process group is killed: GANTRY_DEADLINE). `spec`: {"argv": ["/abs/path", ...], "env": {..}, "cwd": "/"}.
     * fds[0..2] become its stdin, stdout, stderr (-1: /dev/null). *exit_status: 0..255, or 128+signal.
     * A driver never forks. */
    gantry_status (*spawn)(void *ctx, gantry_call *call, gantry_str spec, const int fds[3], int32_t *exit_status);

    /* Tells the engine of something that happened by itself: {"type": "...", "id": "...", ...}. */
    void (*event)(void *ctx, gantry_str json);

    /* A further table of the engine by id, or NULL. */
    const void *(*extension)(void *ctx, const char *id);
} gantry_host;

/* One opened driver. Filled by gantry_driver_plugin.open. */
typedef struct gantry_driver {
    uint32_t size; /* set by the engine to what it allocated; the driver fills no more than that */
    uint32_t reserved;
    void *self;

    /* {"boot_id": "...", "objects": {...}} (the complete desired set of this driver's kind) ->
     * {"ready": [id], "repaired": [id], "missing": [id], "removed_orphans": [id], "failed": [{"id","message"}]}.
     * A new boot_id means that kernel objects are gone. Exclusive; repeatable; may be NULL. */
    gantry_op reconcile;

    /* {} -> {"healthy": bool, "message": "..."}. Deadline class fast. May be NULL: healthy. */
    gantry_op health;

    /* Joins all threads of this instance and frees it. No operation runs during or after it. */
    void (*close)(void *self);

    /* A table of operations by its id, such as "network/1"; NULL: not offered. Lives until close. [any thread] */
    const void *(*table)(void *self, const char *id);
} gantry_driver;

/* What the shared object says of itself. Static storage; never changes. */
typedef struct gantry_driver_plugin {
    uint32_t size;
    uint32_t abi_major; /* GANTRY_ABI_MAJOR it was compiled with */
    uint32_t abi_minor;
    uint32_t flags;      /* 0 */
    const char *name;    /* NUL-terminated, [a-z][a-z0-9_-]*, 32 bytes at most */
    const char *version; /* NUL-terminated, for people */

    /* {"kind": "network"|"volume"|"layer"|"runtime", "summary": "one line",
     *  "abilities": ["..."],
     *  "options": {NAME: {"type": "string"|"integer"|"boolean"|"size"|"duration"|"path", "default": ..,
     *              "minimum": n, "maximum": n, "values": [..], "help": "one line", "secret": bool}},   of the driver
     *  "object_options": {...}}   the same, of each network or volume (--opt)
     * An option name that ends in ".*" admits every name with that prefix. Static storage. */
    gantry_str (*describe)(void);

    /* Makes an instance. `config`: {"engine": "name", "root": "/private/dir", "run": "/private/run/dir",
     * "options": {validated}}. On failure it calls fail(fail_ctx, "one line") once and returns a status that
     * is not GANTRY_OK, and leaves *out alone. Called once per configured instance. */
    gantry_status (*open)(const gantry_host *host, gantry_str config, gantry_driver *out,
                          void (*fail)(void *fail_ctx, gantry_str why), void *fail_ctx);
} gantry_driver_plugin;

/* The one exported symbol. Gives NULL where the driver cannot work with an engine of that version. */
typedef const gantry_driver_plugin *(*gantry_driver_entry_fn)(uint32_t host_major, uint32_t host_minor);
#define GANTRY_DRIVER_ENTRY "gantry_driver_entry"

#ifdef __cplusplus
}
#endif
#endif
