# Runs cells, one after the other, in this one shell. $1: descriptor by which directories with cells come; $2: where the exit status of each goes.
__mitos_cells=$1 __mitos_lines=$2
set --
# A machine that was forked must not draw the numbers of its siblings.
trap 'RANDOM=$SRANDOM' URG
# An interrupt leaves the cell, also a loop in it, and not the shell.
trap 'return 130 2>/dev/null' INT
echo ready >&"$__mitos_lines"
while IFS= read -r __mitos_folder <&"$__mitos_cells"; do
  source "$__mitos_folder/before"
  eval 'source "$__mitos_folder/cell"' "$__mitos_cells<&-" "$__mitos_lines>&-"
  __mitos_status=$?
  source "$__mitos_folder/after"
  echo "$__mitos_status" >&"$__mitos_lines"
done
