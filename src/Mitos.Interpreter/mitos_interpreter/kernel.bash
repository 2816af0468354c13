# Runs cells, one after the other, in this one shell. $1: descriptor by which directories with cells come; $2: where the exit status of each goes.
__mitos_cells=$1 __mitos_lines=$2
set --
# A machine that was forked must not draw the numbers of its siblings.
trap 'RANDOM=$SRANDOM' URG
# An interrupt leaves the cell, also a loop in it, and not the shell.
trap 'return 130 2>/dev/null' INT
__mitos_status=ready
# Cells are in a loop of the shell's, which their own `continue` and `break` may reach: what must be done between two is its condition, and a loop
# around it begins it again. After `set -n` nothing is executed, and counts as done well: that ends both, and so the shell.
until
  until
    : "${__mitos_status:=$?}"
    [ "$__mitos_status" = ready ] || builtin source "$__mitos_folder/after"
    builtin echo "$__mitos_status" >&"$__mitos_lines"
    IFS= builtin read -r __mitos_folder <&"$__mitos_cells" || builtin exit 0
    builtin source "$__mitos_folder/before"
    __mitos_status=
    false
  do
    builtin eval 'builtin source "$__mitos_folder/cell"' "$__mitos_cells<&-" "$__mitos_lines>&-"
  done
  false
do :; done
