#!/bin/sh
# supervise.sh FOLDER COMMAND...
# Runs COMMAND, whose process id it writes to descriptor 3. The end of standard input is what the death of the parent
# looks like, however it died: COMMAND is then ended and FOLDER removed, so that a killed test runner leaves no server
# and no files behind. A line of input means that COMMAND has ended and another supervisor has FOLDER now.
folder=$1
shift
# A Ctrl-C reaches the whole process group; the clean-up must outlive it.
trap '' INT HUP TERM
# A background job has no input of its own; keep ours.
exec 4<&0
# The server itself may be ended by these.
(trap - INT HUP TERM; exec "$@" </dev/null 3>&- 4<&-) &
child=$!
echo "$child" >&3
# Only the server holds the output now: its end is the server's end.
exec 3>&- >/dev/null 2>&1
if IFS= read -r _ <&4; then exit 0; fi
# A frozen server hears nothing.
kill -CONT "$child"
kill -INT "$child"
# What does not heed that within 10 s is not asked again. In short sleeps: the last of them may outlive this script.
(
  tenths=0
  while [ "$tenths" -lt 100 ]; do
    sleep 0.1
    tenths=$((tenths + 1))
  done
  kill -KILL "$child"
) &
killer=$!
wait "$child"
kill -KILL "$killer"
rm -rf "$folder"
