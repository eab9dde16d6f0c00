#!/bin/sh
# Times hooks and whole pushes against no hooks, C hooks that only exit, and gitolite's update hook,
# and prints the rows P1-P10 of the table that README.md shows. See benches/README.md.
#
# Usage: benches/push.sh [--programs DIR] [--git DIR] [--history REPO] [--rounds N] [--keep]
#
#   --programs DIR   folder with pre-receive, update, post-receive, refwarden (target/release)
#   --git DIR        folder of the git to use (default: the first on PATH)
#   --history REPO   a clone of git.git, bare or not, for P8 (default: 20 000 made-up commits)
#   --rounds N       rounds for processes (101); whole pushes get a quarter of it, at least 25
#   --keep           leave the working folder, and say where it is
# shellcheck disable=SC2016,SC2030,SC2031,SC2317
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$here/../target/release
git_folder=
history=
rounds=101
keep=
failed=0
# shellcheck source=lib.sh
. "$here/lib.sh"

while [ $# -gt 0 ]; do
	case $1 in
	--programs) programs=${2:?}; shift ;;
	--git) git_folder=${2:?}; shift ;;
	--history) history=$(cd "${2:?}" && pwd); shift ;;
	--rounds) rounds=${2:?}; shift ;;
	--keep) keep=1 ;;
	*) die "unknown argument $1" ;;
	esac
	shift
done
pushes=$((rounds / 4))
[ "$pushes" -ge 25 ] || [ "$rounds" -lt 101 ] || pushes=25
[ "$pushes" -gt 0 ] || pushes=1

[ -d "$programs" ] || die "no folder $programs: cargo build --release"
programs=$(cd "$programs" && pwd)
[ -z "$git_folder" ] || PATH=$git_folder:$PATH
umask 022
work=$(mktemp -d)
work=$(cd "$work" && pwd -P)
chmod 755 "$work"
cleanup() { if [ -n "$keep" ]; then say "kept: $work"; else rm -rf "$work"; fi; }
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$work/bin" "$work/cases" "$work/root" "$work/home"
: >"$work/table"

# Nothing of the caller's own configuration counts.
for name in $(env | sed -n 's/^\(GIT_[A-Z_0-9]*\)=.*/\1/p'); do unset "$name"; done
old_home=$HOME
HOME=$work/home
GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
export PATH HOME GIT_CONFIG_NOSYSTEM LC_ALL
cat >"$HOME/.gitconfig" <<CONFIG
[user]
	name = bench
	email = bench@example.org
[init]
	defaultBranch = main
[gc]
	auto = 0
[receive]
	autogc = false
[maintenance]
	auto = false
CONFIG

build lap <"$here/lap.c"
echo 'int main(void) { return 0; }' | build true
echo 'int main(void) { return 0; }' | build exit -static

# ---- repositories -----------------------------------------------------------------------------

say "making repositories"
# history COMMITS: a linear history with a few files in folders, oldest first in refs/heads/main.
made_up() {
	awk -v n="$1" 'BEGIN {
		for (i = 1; i <= n; i++) {
			printf "commit refs/heads/main\ncommitter b <b@example.org> %d +0000\n", 1600000000 + i * 60
			m = "change " i "\n"
			printf "data %d\n%s", length(m), m
			t = "line " i "\n"
			printf "M 100644 inline dir%d/sub%d/file%d\ndata %d\n%s\n",
				i % 20, i % 7, i % 50, length(t), t
		}
	}' | git -C "$2" fast-import --quiet
}

# The client has one long history; servers begin with a part of it.
client=$work/root/client.git
git init -q --bare "$client"
made_up 20000 "$client"
git -C "$client" rev-list --reverse main >"$work/chain"
at() { sed -n "$1p" "$work/chain"; }
base=$(at 18000)
next=$(at 18001)

# server NAME HOOKS: a bare repository at `base`; HOOKS is a folder, or nothing for none.
server() {
	repo=$work/root/$1.git
	git init -q --bare "$repo"
	git -C "$client" push -q "file://$repo" "$base:refs/heads/main"
	git -C "$repo" config core.hooksPath "${2:-/nonexistent}"
}

# The pushed objects where receive-pack puts them: a folder of their own beside the others.
quarantine() {
	mkdir -p "$1/objects/tmp_objdir-incoming-bench"
	printf '%s\n^%s\n' "$next" "$base" |
		git -C "$client" pack-objects -q --revs --stdout --thin |
		GIT_OBJECT_DIRECTORY=$1/objects/tmp_objdir-incoming-bench \
			GIT_ALTERNATE_OBJECT_DIRECTORIES=$1/objects git -C "$1" unpack-objects -q
}

# The environment that receive-pack gives to pre-receive.
hook_env() {
	q=$1/objects/tmp_objdir-incoming-bench
	printf '%s\n' "PATH=$PATH" "HOME=$HOME" REMOTE_USER=bob GIT_DIR=. \
		"GIT_QUARANTINE_PATH=$q" "GIT_OBJECT_DIRECTORY=$q" \
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=$1/objects"
}

# decides CASE SITE REPO LINE: pre-receive for one line of stdin, post-receive after it, untimed.
decides() {
	hook_env "$3" | new_case "$1" "$3" "$work/$2/bin/pre-receive"
	printf '%s\n' "$4" >"$work/cases/$1/stdin"
	around "$1" after <<-SH
		cd '$3'
		GIT_DIR=. REMOTE_USER=bob '$work/$2/bin/post-receive' <'$work/cases/$1/stdin' 2>/dev/null || :
	SH
}

forward="$base $next refs/heads/main"
new_case true / "$work/bin/true" </dev/null
new_case exit / "$work/bin/exit" </dev/null

# ---- sites ------------------------------------------------------------------------------------

say "making policies"
"$here/policy.sh" 10 1 @STATE@ @TRAIL@ | site small
"$here/policy.sh" 10 1 @STATE@ @TRAIL@ | site long
"$here/policy.sh" 10000 1000 @STATE@ @TRAIL@ | site large
"$here/policy.sh" 10 1 @STATE@ @TRAIL@ paths | site paths
# With a store: an empty one, one to lend by, and one that is full.
for name in empty lent full; do
	"$here/policy.sh" 10 1 @STATE@ @TRAIL@ lent | site "$name"
	"$work/$name/bin/refwarden" store init >"$work/$name/init.log" 2>&1 ||
		{ cat "$work/$name/init.log" >&2; die "no store was made in $name"; }
done

server ten "$work/small/bin"
ten=$repo
for i in 1 2 3 4 5 6 7 8 9; do git -C "$ten" update-ref "refs/heads/old/$i" "$base"; done
quarantine "$ten"
decides pre-receive small "$ten" "$forward"
decides large-policy large "$ten" "$forward"
decides long-trail long "$ten" "$forward"
decides empty-store empty "$ten" "$forward"
decides full-store full "$ten" "$forward"

# A use reserved: each round bob is lent one push, untimed, and afterwards it is spent and closed.
zero=$(echo "$base" | tr 0-9a-f 0)
decides use-reserved lent "$ten" "$zero $next refs/heads/hot/x"
around use-reserved before <<SH
cd '$work/lent'
bin/refwarden access request hotfix --as bob --repository ten --branches 'hot/*' \
	--uses 1 --reason 'one more round' >id 2>&1 || [ \$? = 5 ]
bin/refwarden access approve "\$(sed -n '1s/ .*//p' id)" --as user1 >approved 2>&1
SH
cat >>"$work/cases/use-reserved/after" <<SH
'$work/lent/bin/refwarden' access return "\$(sed -n '1s/ .*//p' '$work/lent/id')" --as bob >/dev/null
SH

# many NAME: 100 000 refs over the last 18 000 commits, packed.
many() {
	server "$1" "$work/small/bin"
	{
		echo '# pack-refs with: peeled fully-peeled sorted '
		awk 'NR <= 18000 { id[NR] = $1 } END {
			for (i = 0; i < 100000; i++) printf "%s refs/heads/r/%06d\n", id[1 + i % 18000], i
		}' "$work/chain"
	} >"$repo/packed-refs"
	quarantine "$repo"
}
many many
many_refs=$repo
many graph
graph_refs=$repo
git -C "$graph_refs" commit-graph write --reachable 2>/dev/null
decides many-refs small "$many_refs" "$forward"
decides many-refs-graph small "$graph_refs" "$forward"

# What looks at the names of refs and at changed paths: a new branch where case is ignored.
for name in many graph; do git -C "$work/root/$name.git" config core.ignoreCase true; done
decides scans-refs paths "$many_refs" "$zero $next refs/heads/x"
decides scans-refs-graph paths "$graph_refs" "$zero $next refs/heads/x"
for name in many graph; do
	hook_env "$work/root/$name.git" |
		new_case "rev-list-$name" "$work/root/$name.git" "$(command -v git)" rev-list "$next" --not --all
done

# update: the slip is written by pre-receive, untimed, just before.
server confirms "$work/small/bin"
confirms=$repo
quarantine "$confirms"
printf '%s\n' "PATH=$PATH" "HOME=$HOME" REMOTE_USER=bob GIT_DIR=. |
	new_case update "$confirms" "$work/small/bin/update" refs/heads/main "$base" "$next"
printf '%s\n' "$forward" >"$work/forward"
around update before <<SH
cd '$confirms'
q='$confirms/objects/tmp_objdir-incoming-bench'
REMOTE_USER=bob GIT_DIR=. GIT_QUARANTINE_PATH=\$q GIT_OBJECT_DIRECTORY=\$q \
	GIT_ALTERNATE_OBJECT_DIRECTORIES='$confirms/objects' \
	'$work/small/bin/pre-receive' <'$work/forward'
SH

# The long trail of a site: a million lines before the newest one, which is what the next line follows.
long_trail() {
	trail=$work/$1/log/audit.jsonl
	[ -s "$trail" ] || return 1
	tail -n 1 "$trail" >"$work/last"
	head -n 1 "$trail" >"$work/line"
	awk '{ for (i = 0; i < 1000000; i++) print }' "$work/line" >"$work/many-lines"
	cat "$work/last" >>"$work/many-lines"
	# Into the same file: it keeps its owner, mode and inode.
	cat "$work/many-lines" >"$trail"
	rm "$work/many-lines"
}

# The full store: rows that only the store's own code can write, so that its tests do it.
full_store() {
	command -v cargo >/dev/null || return 1
	say "filling a store"
	(
		cd "$here/.."
		HOME=$old_home REFWARDEN_FILL=$work/full/state/state.db cargo test --quiet --lib \
			fill_the_store_of_the_benches -- --ignored
	) >"$work/fill.log" 2>&1 || { tail "$work/fill.log" >&2; return 1; }
	# What is in the file is what the site knows it has: the next line says so.
	lap 2 full-store
	long_trail full
}

# ---- gitolite ---------------------------------------------------------------------------------

# gitolite NAME REPOSITORIES: a gitolite of its own, whose repository `testing` is at `base`.
gitolite_home() {
	(
		HOME=$work/$1
		export HOME
		mkdir -p "$HOME"
		cp "$work/home/.gitconfig" "$HOME/"
		cd "$HOME"
		ssh-keygen -q -t ed25519 -N '' -f admin
		gitolite setup -pk admin.pub
		if [ "$2" -gt 0 ]; then
			awk -v n="$2" 'BEGIN {
				printf "@many ="
				for (i = 1; i <= n; i++) printf " r%d", i
				print "\nrepo @many testing\n    RW+ = @all"
				for (i = 1; i <= n; i++) printf "repo r%d\n    RW = user%d\n", i, i
			}' >.gitolite/conf/gitolite.conf
			# Folders that are there are not made again.
			awk -v n="$2" 'BEGIN { for (i = 1; i <= n; i++) print "repositories/r" i ".git/hooks" }' |
				xargs mkdir -p
			gitolite compile
		fi
	) >"$work/$1.log" 2>&1 || { tail "$work/$1.log" >&2; die "gitolite is there but does not set up"; }
	gl_repo=$work/$1/repositories/testing.git
	git -C "$gl_repo" config core.hooksPath /nonexistent
	git -C "$client" push -q "file://$gl_repo" "$base:refs/heads/main" "$next:refs/heads/next"
	git -C "$gl_repo" config --unset core.hooksPath
}
gl_env() {
	printf '%s\n' "PATH=$PATH" "HOME=$work/$1" GL_REPO=testing GL_USER=admin "GL_LIBDIR=$gl_lib" \
		"GL_BINDIR=${gl_lib%/lib}" GIT_CONFIG_NOSYSTEM=1
}
gitolite=
if command -v gitolite >/dev/null && command -v ssh-keygen >/dev/null; then
	gl_lib=$(dirname "$(dirname "$(perl -MCwd=realpath -e 'for (@INC, "/usr/share/gitolite3/lib") {
		print realpath("$_/Gitolite/Rc.pm") and exit if -f "$_/Gitolite/Rc.pm" }')")")
	if [ -d "$gl_lib/Gitolite" ]; then
		say "setting up gitolite"
		gitolite=yes
		gitolite_home gitolite 0
		{ gl_env gitolite; echo GIT_DIR=.; } |
			new_case gitolite "$gl_repo" "$gl_repo/hooks/update" refs/heads/main "$base" "$next"
		gitolite_home gitolite-2000 2000
		{ gl_env gitolite-2000; echo GIT_DIR=.; } |
			new_case gitolite-2000 "$gl_repo" "$gl_repo/hooks/update" refs/heads/main "$base" "$next"
	fi
fi

# ---- processes: P1, P2, P6, P7, P9, P10 -------------------------------------------------------

lap 2 long-trail
grown=yes
long_trail long || grown=
filled=yes
full_store || filled=

set -- true exit pre-receive use-reserved update large-policy many-refs many-refs-graph empty-store
[ -z "$grown" ] || set -- "$@" long-trail
[ -z "$filled" ] || set -- "$@" full-store
[ -z "$gitolite" ] || set -- "$@" gitolite
lap "$rounds" "$@"
ratio P1 '`pre-receive`, 1 ref forward by a standing right, 20 entries' 2.5 \
	pre-receive true 'a C `true`'
if [ -n "$gitolite" ]; then
	faster P1 'the same' 12 pre-receive gitolite "gitolite's hook"
else
	skip P1 "against gitolite's hook" 'gitolite3 is not installed'
fi
ratio P1 'the same with a use reserved' 5 use-reserved true 'a C `true`'
ratio P2 '`update` with a standing slip' 1.3 update true 'a C `true`'
if [ -n "$gitolite" ]; then
	faster P2 'the same' 25 update gitolite "gitolite's hook"
else
	skip P2 "against gitolite's hook" 'gitolite3 is not installed'
fi
ratio P6 'P1 with 10 000 users, 1 000 projects, 20 000 entries' 1.5 large-policy pre-receive P1
ratio P7 'P1 with 100 000 refs' 1.5 many-refs pre-receive 'P1 with 10 refs'
ratio P7 'the same with a commit-graph' 1.5 many-refs-graph pre-receive 'P1 with 10 refs'
if [ -n "$grown" ]; then
	ratio P9 'P1 with 1 000 000 lines in the trail' 1.1 long-trail pre-receive 'an empty one'
else
	skip P9 'P1 with 1 000 000 lines in the trail' 'no trail was written'
fi
if [ -n "$filled" ]; then
	ratio P9 'P1 with 1 000 000 ended grants, 10 000 live ones and such a trail' 1.1 \
		full-store empty-store 'an empty store'
else
	skip P9 'P1 with 1 000 000 ended grants and 10 000 live ones' 'the store was not filled'
fi
peak=0
for name in pre-receive use-reserved update; do
	rss=$(figure 4 "$name")
	[ "$rss" -le "$peak" ] || peak=$rss
done

lap "$rounds" scans-refs rev-list-many scans-refs-graph rev-list-graph
ratio P7 'new branch, path entries, `core.ignoreCase`, 100 000 refs' 1 scans-refs rev-list-many \
	'`git rev-list NEW --not --all`'
ratio P7 'the same with a commit-graph' 1 scans-refs-graph rev-list-graph \
	'`git rev-list NEW --not --all`'
if [ -n "$gitolite" ]; then
	lap 25 update gitolite-2000
	faster P2 '`update`, gitolite with 2000 repositories' 25 update gitolite-2000 "gitolite's hook"
fi

# ---- whole pushes: P3, P4, P5 -----------------------------------------------------------------

say "making repositories to push to"
mkdir "$work/bin/c" "$work/bin/static" "$work/bin/c-update" "$work/bin/two"
for name in pre-receive update post-receive; do
	cp "$work/bin/true" "$work/bin/c/$name"
	cp "$work/bin/exit" "$work/bin/static/$name"
done
cp "$work/bin/true" "$work/bin/c-update/update"
for name in pre-receive post-receive; do ln -s "$work/small/bin/$name" "$work/bin/two/$name"; done

push_env() {
	printf '%s\n' "PATH=$PATH" "HOME=$HOME" REMOTE_USER=bob GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
}

# pushes_one CASE REPO: each round moves main one commit on. The environment is on stdin.
pushes_one() {
	new_case "$1" "$client" "$(command -v git)" push -q "file://$2" refs/heads/next:refs/heads/main
	around "$1" before <<-SH
		git -C '$client' update-ref refs/heads/next "\$(sed -n "\$((18000 + \$1))p" '$work/chain')"
	SH
}

# pushes_many CASE REPO: each round makes 1000 branches on 1000 new commits, and main stays.
pushes_many() {
	new_case "$1" "$client" "$(command -v git)" push -q "file://$2" 'refs/heads/b/*:refs/heads/b/*'
	around "$1" before <<-SH
		rm -rf '$2/refs/heads/b'
	SH
}
sed -n '18001,19000p' "$work/chain" |
	awk '{ printf "create refs/heads/b/%d %s\n", NR, $1 }' | git -C "$client" update-ref --stdin

for kind in none:/nonexistent c:"$work/bin/c" static:"$work/bin/static" all:"$work/small/bin" \
	c-update:"$work/bin/c-update" two:"$work/bin/two"; do
	server "one-${kind%%:*}" "${kind#*:}"
	push_env | pushes_one "push-${kind%%:*}" "$repo"
	server "many-${kind%%:*}" "${kind#*:}"
	push_env | pushes_many "push-1000-${kind%%:*}" "$repo"
done
gl_repo=$work/gitolite/repositories/testing.git
if [ -n "$gitolite" ]; then
	gl_env gitolite | pushes_one push-gitolite "$gl_repo"
	gl_env gitolite | pushes_many push-1000-gitolite "$gl_repo"
fi

set -- push-none push-static push-c push-all
[ -z "$gitolite" ] || set -- "$@" push-gitolite
lap "$pushes" "$@"
ratio P3 'whole push, 1 ref, all three hooks' 1.35 push-all push-none 'no hooks'
ratio P3 'the same' 1.2 push-all push-c 'three C `true` hooks'
compare 'the same' push-all push-static 'three static C hooks'
[ -z "$gitolite" ] || compare 'the same' push-all push-gitolite "gitolite's update hook"

lap "$pushes" push-1000-none push-1000-two push-1000-c-update push-1000-all
ratio P4 'whole push, 1000 refs, `pre-receive` and `post-receive`' 1.5 \
	push-1000-two push-1000-none 'no hooks'
ratio P5 'whole push, 1000 refs, all three hooks' 1.15 \
	push-1000-all push-1000-c-update 'a C `true` as `update`'
if [ -n "$gitolite" ]; then
	lap 3 push-1000-all push-1000-gitolite
	faster P5 'the same (3 rounds)' 20 push-1000-all push-1000-gitolite "gitolite's update hook"
else
	skip P5 "against gitolite's update hook" 'gitolite3 is not installed'
fi

# The hooks' memory with 1000 refs: pre-receive alone, on the same lines.
server memory "$work/small/bin"
quarantine "$repo"
hook_env "$repo" | new_case memory "$repo" "$work/small/bin/pre-receive"
awk -v zero="$zero" -v id="$next" 'BEGIN {
	for (i = 1; i <= 1000; i++) print zero, id, "refs/heads/b/" i }' >"$work/cases/memory/stdin"
lap 3 memory
rss=$(figure 4 memory)
[ "$rss" -le "$peak" ] || peak=$rss
row P10 'peak memory, P1-P5' '≤ 16 MiB' "$(awk -v k="$peak" 'BEGIN { print k / 1024 }')" 16 ' MiB' \
	'resident, mapped files included'

# ---- first push: P8, P10 ----------------------------------------------------------------------

say "making a first push"
[ -n "$history" ] || history=$client
tip=$(git -C "$history" rev-parse "$(git -C "$history" rev-parse -q --verify main ||
	git -C "$history" rev-parse -q --verify master || git -C "$history" rev-parse HEAD)^{commit}")
first=$work/root/first.git
git init -q --bare "$first"
incoming=$first/objects/tmp_objdir-incoming-bench
mkdir -p "$incoming/pack"
printf '%s\n' "$tip" |
	git -C "$history" pack-objects -q --revs --threads=0 --delta-base-offset --missing=allow-any \
		"$incoming/pack/pack" >/dev/null
commits=$(git -C "$history" rev-list --count "$tip")
hook_env "$first" | new_case first "$first" "$work/paths/bin/pre-receive"
printf '%s\n' "$zero $tip refs/heads/main" >"$work/cases/first/stdin"
: >"$work/cases/first/sample"
hook_env "$first" | new_case first-rev-list "$first" "$(command -v git)" rev-list --objects "$tip"
hook_env "$first" | new_case first-diff-tree "$first" "$(command -v git)" diff-tree -r --root --stdin
git -C "$history" rev-list "$tip" >"$work/cases/first-diff-tree/stdin"
lap 5 first first-rev-list first-diff-tree
hook=$(median first)
both=$(awk -v a="$(median first-rev-list)" -v b="$(median first-diff-tree)" 'BEGIN { print a + b }')
row P8 "first push, $commits commits, path entries" '≤ `rev-list --objects` + `diff-tree -r`' \
	"$(awk -v a="$hook" -v b="$both" 'BEGIN { print a / b }')" 1 ' ×' "$(ms "$hook") / $(ms "$both")"
row P10 'peak memory, P8' '≤ 64 MiB beyond mapped packs' \
	"$(figure 5 first | awk '{ print $1 / 1024 }')" 64 ' MiB' 'anonymous, sampled each millisecond'

print_table "$(git version)"
exit "$failed"
