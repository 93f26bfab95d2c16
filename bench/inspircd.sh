#!/usr/bin/env bash
# inspircd.sh - InspIRCd on a port of 127.0.0.1, with nothing that slows it down.
#
#   bench/inspircd.sh PORT
#
# It limits how fast a client may talk and how many there are from one address, keeps
# who has left in mind and looks names up; all of that is off here, so that its loop is
# what is measured. Runs until it is killed.
set -euo pipefail
ulimit -n "$(ulimit -H -n)"
root=()
[ "$(id -u)" != 0 ] || root=(--runasroot)
# exec, so that who started this ends InspIRCd by ending this.
exec inspircd --nofork --nolog --nopid ${root[@]+"${root[@]}"} --config /dev/fd/3 3<<CONF >/dev/null
<server name="bench.invalid" description="comparison" network="comparison" id="1AA">
<admin name="nobody" nick="nobody" email="nobody@bench.invalid">
<bind address="127.0.0.1" port="$1" type="clients">
<connect name="bench" allow="*" port="$1" timeout="600" pingfreq="600" threshold="1000000"
         commandrate="1000000000" fakelag="on" hardsendq="1048576" softsendq="1048576"
         recvq="1048576" localmax="100000" globalmax="100000" limit="100000"
         maxconnwarn="off" resolvehostnames="no" useident="no" usednsbl="no">
<performance softlimit="100000" somaxconn="1024" netbuffersize="65534" clonesonconnect="no"
             quietbursts="yes" timeskipwarn="0">
<limits maxnick="31">
<whowas groupsize="0" maxgroups="0" maxkeep="0">
CONF
