#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The init of the user-mode Linux that lib/uml.py boots; its root is the host's file system, so it
# writes nowhere but in the tmpfs that it mounts on /run. It sets up SCTP and its devices'
# addresses (TL_ADDRS: vec0=10.9.0.2/24,vec1=...), says "@ready", then takes orders from its console, one a line:
#   run ID COMMAND     starts COMMAND; answers "@out ID LINE" for each line, "@done ID STATUS"
#   kill ID SIGNAL     signals the command
#   off                powers off (so does the end of the console)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
stty -echo </dev/console
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
dmesg -n 1
mkdir -p /run/m/lib
ln -s /usr/lib/uml/modules /run/m/lib/modules
modprobe -d /run/m -a hmac ipv6 sctp || echo "@error modprobe"  # without hmac, listen() fails
echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
for conf in /proc/sys/net/ipv6/conf/vec*; do echo 0 > "$conf/accept_dad"; done
ip link set lo up
for given in ${TL_ADDRS//,/ }; do
  device=${given%%=*} address=${given#*=}
  case $address in *:*) nodad=nodad ;; *) nodad='' ;; esac
  ip addr add "$address" dev "$device" $nodad
  ip link set "$device" up
done
run() {
  mkfifo "/run/out.$1"
  sed -u "s/^/@out $1 /" <"/run/out.$1" >/dev/console &
  local printer=$!
  setsid bash -c "$2" >"/run/out.$1" 2>&1 </dev/null &
  echo $! >"/run/pid.$1"
  wait $!
  local status=$?
  wait $printer
  echo "@done $1 $status" >/dev/console
}
stop() {
  for _ in {1..100}; do  # the order to run may still be on its way
    [ -s "/run/pid.$1" ] && break
    sleep 0.05
  done
  kill -"$2" "$(cat "/run/pid.$1")"
}
echo "@ready $(uname -r)"
while read -r order id rest; do
  case $order in
    run) run "$id" "$rest" & ;;
    kill) stop "$id" "$rest" & ;;
    off) break ;;
  esac
done </dev/console
sync
echo o >/proc/sysrq-trigger  # needs no program
sleep 5
