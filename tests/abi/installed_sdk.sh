#!/bin/bash
# installed_sdk.sh CMAKE BUILD_DIRECTORY: installs the SDK's component into a scratch directory, builds the template there
# with find_package(GantryDriver), and looks at what came out: one file, one exported symbol.
set -euo pipefail
cmake=$1 build=$2
scratch=$(mktemp -d /tmp/gantry-sdk-test-XXXXXX)
trap 'rm -rf "$scratch"' EXIT

"$cmake" --install "$build/sdk" --prefix "$scratch/usr" --component sdk >/dev/null
cp -r "$scratch/usr/share/gantry/driver-template" "$scratch/driver"
"$cmake" -S "$scratch/driver" -B "$scratch/driver/build" -DCMAKE_PREFIX_PATH="$scratch/usr" >/dev/null
"$cmake" --build "$scratch/driver/build" >/dev/null
driver=$scratch/driver/build/volume-example.so
[[ -f $driver ]] || { echo "no $driver was built"; exit 1; }
symbols=$(nm -D --defined-only "$driver" | awk '{print $3}')
[[ $symbols == gantry_driver_entry ]] || { echo "exported: $symbols"; exit 1; }
