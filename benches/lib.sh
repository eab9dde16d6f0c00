# shellcheck shell=sh
# What push.sh and explain.sh share: the timer, cases for it, sites, and the table.
# Sourced with `work` set to the working folder and `programs` to that of refwarden's programs.
# shellcheck disable=SC2034,SC2154

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 2; }

# build NAME FLAGS...: compiles C from stdin.
build() {
	name=$1
	shift
	"${CC:-cc}" -O2 "$@" -x c -o "$work/bin/$name" - || die "cannot compile $name"
}

# A folder with the programs and a site of its own, and its policy applied.
# site NAME, policy on stdin with STATE and TRAIL for the two paths.
site() {
	folder=$work/$1
	mkdir -p "$folder/bin" "$folder/state" "$folder/log"
	chmod 700 "$folder/state" "$folder/log"
	for program in pre-receive update post-receive refwarden; do
		cp "$programs/$program" "$folder/bin/"
	done
	cat >"$folder/bin/site.toml" <<TOML
version = 1
policy = "$folder/policy.toml"
state = "$folder/state"
account = "$(id -un)"
account-uid = $(id -u)
root = "$work/root"
TOML
	sed -e "s|@STATE@|$folder/state|" -e "s|@TRAIL@|$folder/log/audit.jsonl|" \
		>"$folder/policy.toml"
	"$folder/bin/refwarden" policy apply >"$folder/apply.log" 2>&1 ||
		{ cat "$folder/apply.log" >&2; die "the policy of $1 was not applied"; }
}

# new_case NAME CWD ARGV...: a case for lap; its environment comes on stdin.
new_case() {
	folder=$work/cases/$1
	mkdir -p "$folder"
	printf '%s\n' "$2" >"$folder/cwd"
	shift 2
	printf '%s\n' "$@" >"$folder/argv"
	cat >"$folder/env"
}

# around NAME before|after: a shell script, on stdin, that runs untimed; $1 is the round.
around() {
	{ printf '#!/bin/sh\nset -e\n'; cat; } >"$work/cases/$1/$2"
	chmod +x "$work/cases/$1/$2"
}

# lap ROUNDS NAME...: times the cases against one another and keeps the figures.
lap() {
	times=$1
	group=$((${group:-0} + 1))
	shift
	say "timing ($times rounds): $*"
	for name; do
		shift
		set -- "$@" "$work/cases/$name"
	done
	"$work/bin/lap" "$times" "$@" >"$work/figures.$group" || die "a case failed"
}

# figure COLUMN NAME: of the newest group. 2 the median in microseconds, 4 and 5 KiB.
figure() { awk -F '\t' -v c="$1" -v n="$2" '$1 == n { print $c }' "$work/figures.$group"; }

median() { figure 2 "$1"; }

ms() { awk -v us="$1" 'BEGIN { printf us < 10000 ? "%.2f ms" : "%.0f ms", us / 1000 }'; }

# row ROW WHAT BAR VALUE LIMIT UNIT DETAIL [least]: one line of the table. VALUE must be at most
# LIMIT, or with `least` at least.
row() {
	verdict=$(awk -v v="$4" -v l="$5" -v least="${8:-}" \
		'BEGIN { print (least ? v >= l : v <= l) ? "pass" : "FAIL" }')
	[ "$verdict" = pass ] || failed=1
	shown=$(awk -v v="$4" 'BEGIN { printf v < 1000 ? "%.3g" : "%d", v }')
	printf '| %s | %s | %s | %s%s | %s | %s |\n' \
		"$1" "$2" "$3" "$shown" "$6" "$7" "$verdict" >>"$work/table"
}

# ratio ROW WHAT LIMIT A B [WORDS]: median of A over that of B, which may be at most LIMIT.
ratio() {
	a=$(median "$4")
	b=$(median "$5")
	row "$1" "$2" "≤ $3 × ${6:-$5}" "$(awk -v a="$a" -v b="$b" 'BEGIN { print a / b }')" \
		"$3" " ×" "$(ms "$a") / $(ms "$b")"
}

# faster ROW WHAT LIMIT A B [WORDS]: median of B over that of A, which must be LIMIT or more.
faster() {
	a=$(median "$4")
	b=$(median "$5")
	row "$1" "$2" "≤ 1/$3 of ${6:-$5}" "$(awk -v a="$a" -v b="$b" 'BEGIN { print b / a }')" \
		"$3" " × faster" "$(ms "$a") / $(ms "$b")" least
}

# compare WHAT A B WORDS: median of A over that of B, without a bar.
compare() {
	printf '| | %s | | %.3g × %s | %s / %s | |\n' "$1" "$(awk -v a="$(median "$2")" \
		-v b="$(median "$3")" 'BEGIN { print a / b }')" "$4" "$(ms "$(median "$2")")" \
		"$(ms "$(median "$3")")" >>"$work/table"
}

# skip ROW WHAT WHY
skip() { printf '| %s | %s | | | | skipped: %s |\n' "$1" "$2" "$3" >>"$work/table"; }

# The table so far, and the machine under it.
print_table() {
	echo '| row | work | bar | measured | medians | |'
	echo '| --- | --- | --- | --- | --- | --- |'
	cat "$work/table"
	echo
	model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	echo "Machine: ${model:-unknown processor}, $(nproc) cores, Linux $(uname -r)," \
		"$(stat -f -c %T "$work") file system; ${1:-}"
}
