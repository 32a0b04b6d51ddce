/* gantry/abi/volume.h: volumes.
 *
 * Words: VOLUME is {"id", "generation", "name", "labels": {}, "options": {}}. Deadline class: long (120 s);
 * inspect, list: fast (2 s). The engine owns who uses a volume, as a set of consumers. */
#ifndef GANTRY_ABI_VOLUME_H
#define GANTRY_ABI_VOLUME_H
#include <gantry/abi/driver.h>
#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_VOLUME "volume/1"
typedef struct gantry_volume { /* [one per object] */
    uint32_t size, reserved;

    /* {"volume": VOLUME} -> {"path": "/.." or ""}. Repeatable; other options for a volume that is there:
     * GANTRY_CONFLICT. */
    gantry_op ensure;

    /* {"volume": VOLUME}; already gone is GANTRY_OK; GANTRY_BUSY while published. Removes the data. Repeatable. */
    gantry_op remove;

    /* {"volume": VOLUME} -> {"state": "absent"|"partial"|"ready", "path": "/..", "status": {}}. Read-only. */
    gantry_op inspect;

    /* {} -> {"volumes": ["name"]}. Read-only; may be NULL. */
    gantry_op list;

    /* {"volume": VOLUME, "consumer": "container id", "read_only": bool} -> {"fds": ["mount"]} with an O_PATH
     * descriptor of the directory (or a detached mount) that the consumer is to get. The same consumer again gives
     * the same. */
    gantry_op publish;

    /* {"volume": VOLUME, "consumer": ".."}; already done is GANTRY_OK. Repeatable. */
    gantry_op unpublish;
} gantry_volume;

#ifdef __cplusplus
}
#endif
#endif
