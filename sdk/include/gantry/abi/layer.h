/* gantry/abi/layer.h: file-system layers of images and containers.
 *
 * A key names a layer. States: absent -> active (prepare) -> committed (commit), or absent -> view (view).
 * Committed layers are read-only and may be parents; active and view layers cannot. The engine orders calls so
 * that a parent is never removed before its children.
 *
 * MOUNT is {"type": "overlay"|"bind", "source": "..", "options": ["ro"], "lower": ["/topmost", .., "/lowest"],
 * "upper": "/..", "work": "/..", "fs_options": ["userxattr"]}: a plan; the driver itself mounts nothing. For
 * "bind", "source" is a directory and the rest is absent. For "overlay" without upper and work: read-only.
 * Deadline class: normal (30 s); apply, diff, remove, cleanup: long (120 s, extended while bytes move). */
#ifndef GANTRY_ABI_LAYER_H
#define GANTRY_ABI_LAYER_H
#include <gantry/abi/driver.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_LAYER "layer/1"
typedef struct gantry_layer { /* [one per object] */
    uint32_t size, reserved;

    /* {"key", "parent": "" or committed key, "labels": {}} -> {"mounts": [MOUNT]}. A writable layer over parent.
     * Prepared already with the same parent: the same answer; committed already: GANTRY_CONFLICT. */
    gantry_op prepare;

    /* {"key", "parent"} -> {"mounts": [MOUNT]}. The same, read-only. */
    gantry_op view;

    /* {"key"} -> {"mounts": [MOUNT]}. What prepare or view gave. Read-only. */
    gantry_op mounts;

    /* {"key", "name"}: the active layer `key` becomes the committed layer `name`. `name` is there already with
     * the same parent: `key` is removed, GANTRY_OK. Its content is on disk (synced) when the answer comes.
     * Drivers with the ability "rebase" take one more member, "parent": a committed key, for a layer that was
     * prepared without a parent. It then is what it would be had it been prepared on that parent before anything
     * was applied to it; so the engine unpacks the layers of an image side by side. "" or absent: as it was
     * prepared. A layer that was prepared on another parent: GANTRY_CONFLICT. Repeatable with the same members. */
    gantry_op commit;

    /* {"key"}: any state; already gone is GANTRY_OK. A committed layer that another one stands on, or is being made
     * on at this moment: GANTRY_CONFLICT. Answers when the key is free; the files may be deleted later by cleanup.
     * Repeatable. */
    gantry_op remove;

    /* {"key"} -> {"state": "absent"|"active"|"view"|"committed", "parent": "..", "labels": {}}. Read-only. */
    gantry_op stat;

    /* {} -> {"keys": ["..."]}. Read-only. */
    gantry_op list;

    /* {"key"} -> {"bytes": n, "inodes": n}: of this layer alone. Read-only. */
    gantry_op usage;

    /* {} -> {"reclaimed_bytes": n}. Deletes what remove left, and half-made layers of earlier runs that were never
     * active. Repeatable. */
    gantry_op cleanup;

    /* {"key", "fds": ["tar"]} -> {"bytes": n}: unpacks an uncompressed tar stream (OCI layer: whiteouts are
     * .wh. files) into the active layer `key`. Entries are hostile: nothing outside the layer is ever touched.
     * Failed: the layer is to be removed. */
    gantry_op apply;

    /* {"key", "fds": ["tar"]}: writes what layer `key` changed against its parent as a tar stream (OCI layer) to
     * the descriptor. Read-only. */
    gantry_op diff;

    /* {"key"} -> {"changes": [{"path": "/a", "kind": "added"|"modified"|"deleted"}]}, sorted by path. Read-only. */
    gantry_op changes;
} gantry_layer;

#ifdef __cplusplus
}
#endif
#endif
