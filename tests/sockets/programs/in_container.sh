#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A container as small as can be: namespaces of its own for mounts, network (not even loopback is up),
# processes and IPC; a root with the host's /usr, Trunkline's tools, and one mount from the daemon.
#
#   in_container.sh ROOT MOUNTED TOOLS PROGRAM...
#
# ROOT is an empty folder, MOUNTED the daemon's socket or its folder, TOOLS where trunkline-run lies.
set -e
if [ "$1" != --inside ]; then
  exec unshare --mount --net --pid --ipc --uts --fork --kill-child "$0" --inside "$@"
fi
root=$2 mounted=$3 tools=$4
shift 4
mount -t tmpfs none "$root"
cd "$root"
mkdir usr proc dev tmp opt run run/trunkline
for link in /bin /lib /lib64 /sbin; do
  if [ -L "$link" ]; then cp -P "$link" .; else mkdir ".$link" && mount --rbind "$link" ".$link"; fi
done
mount --rbind /usr usr
mount -t proc proc proc
touch dev/null
mount --bind /dev/null dev/null
mount --bind "$tools" opt
if [ -d "$mounted" ]; then
  mount --bind "$mounted" run/trunkline
else
  touch run/trunkline/sockets.sock
  mount --bind "$mounted" run/trunkline/sockets.sock
fi
mkdir old
pivot_root . old
umount -l old
exec /opt/trunkline-run "$@"
