#!/bin/sh
# supervise.sh FOLDER COMMAND...
# Runs COMMAND until it ends or standard input does, and removes FOLDER. The end of the input is what the death of the
# parent looks like, however it died: a killed test runner leaves no server and no files behind.
folder=$1
shift
# A Ctrl-C reaches the whole process group; the clean-up must outlive it.
trap '' INT HUP TERM
# A background job has no input of its own; hand it ours.
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{
  cat <&3 >/dev/null
  kill -INT "$child"
} >/dev/null 2>&1 &
wait "$child"
rm -rf "$folder"
