#!/usr/bin/env bash
# ngircd.sh - ngircd on a port of 127.0.0.1, with nothing that slows it down.
#
#   bench/ngircd.sh PORT
#
# It limits how fast a client may talk and how many there are from one address,
# asks DNS and ident about each, and writes to syslog; all of that is off here, so
# that its loop is what is measured. Runs until it is killed.
set -euo pipefail
ulimit -n "$(ulimit -H -n)"
# exec, so that who started this ends ngircd by ending this.
exec ngircd --nodaemon --config /dev/fd/3 3<<CONF >/dev/null
[Global]
Name = bench.invalid
Info = comparison
AdminEMail = nobody@bench.invalid
Listen = 127.0.0.1
Ports = $1
MotdPhrase = hello
ServerUID = $(id -u)
ServerGID = $(id -g)
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxNickLength = 31
MaxPenaltyTime = 0
PingTimeout = 600
PongTimeout = 600
[Options]
DNS = no
Ident = no
PAM = no
IncludeDir = /nonexistent
SyslogFacility = local7
CONF
