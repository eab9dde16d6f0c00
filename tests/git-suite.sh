#!/bin/sh
# Git's own push tests, once with hooks that exit 0 and once with refwarden under a policy that
# permits everything. A test that passes with the first and fails with the second must stand in
# git-suite.expected, with the code that explains it. (05-quality.md, R9.)
#
# Usage: tests/git-suite.sh [--programs DIR] [--scripts 't5400 t5516'] [--keep] [GIT_SOURCE]
#
#   --programs DIR  folder with pre-receive, update, post-receive, refwarden (target/release)
#   --scripts LIST  these scripts only, by their numbers
#   --keep          leave the working folder, and say where it is
#   GIT_SOURCE      git's source tree, built or not; without one, the distribution's source
#                   package is fetched by apt-get and built
#
# git itself is wrapped: whatever starts receive-pack gets a system configuration with
# core.hooksPath, as a server with that setting has it. Clients are left alone. Tests that bring
# hooks of their own for the receiving side fail both times, and so do not count. Git skips its
# tests over HTTP for root, and where there is no apache2: run this as an ordinary user.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
expected=$here/git-suite.expected
programs=$here/../target/release
keep=
source=
scripts='t5400 t5401 t5402 t5403 t5404 t5405 t5406 t5407 t5408 t5409 t5410 t5411
t5501 t5504 t5505 t5507 t5509 t5510 t5514 t5516 t5517 t5518 t5519 t5520 t5521 t5523 t5527 t5528
t5529 t5531 t5533 t5534 t5535 t5537 t5538 t5539 t5540 t5541 t5542 t5543 t5544 t5545 t5546 t5547
t5548 t5549 t5550 t5551 t5553 t5560 t5561 t5562 t5563 t5565 t5566 t5570 t5571 t5572 t5582 t5583'

say() { printf '%s\n' "$*"; }
die() { printf 'git-suite: %s\n' "$*" >&2; exit 2; }

while [ $# -gt 0 ]; do
	case $1 in
	--programs) programs=${2:?}; shift ;;
	--scripts) scripts=${2:?}; shift ;;
	--keep) keep=1 ;;
	-*) die "unknown option $1" ;;
	*) source=$1 ;;
	esac
	shift
done

programs=$(cd "$programs" 2>/dev/null && pwd) || die "no folder $programs"
for name in pre-receive update post-receive refwarden; do
	[ -x "$programs/$name" ] || die "$programs/$name is missing: cargo build --release"
done

umask 022
work=$(mktemp -d)
work=$(cd "$work" && pwd -P)
chmod 755 "$work"
cleanup() { if [ -n "$keep" ]; then say "kept: $work"; else rm -rf "$work"; fi; }
trap cleanup EXIT
trap 'exit 130' INT TERM

# The distribution's source package, by a copy of apt's own list of sources that asks for sources.
debian_source() {
	mkdir -p "$work/apt/lists/partial" "$work/apt/parts" "$work/source"
	for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$list" ] && sed 's/^deb /deb-src /' "$list" >"$work/apt/parts/$(basename "$list")"
	done
	for list in /etc/apt/sources.list.d/*.sources; do
		[ -f "$list" ] &&
			sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/apt/parts/$(basename "$list")"
	done
	(
		cd "$work/source"
		set -- -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/apt/parts" \
			-o "Dir::State::lists=$work/apt/lists" -o Dir::Cache::pkgcache= \
			-o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root
		apt-get "$@" update
		apt-get "$@" source --only-source git
	) >"$work/apt.log" 2>&1 || { tail "$work/apt.log" >&2; die "no source package of git"; }
	for tree in "$work"/source/git-*/; do source=$tree; done
}

[ -n "$source" ] || debian_source
source=$(cd "$source" && pwd -P) || die "no folder $source"
if [ ! -x "$source/t/helper/test-tool" ]; then
	say "building git in $source"
	make -C "$source" -j"$(nproc)" NO_GETTEXT=1 NO_TCLTK=1 NO_RUST=1 >"$work/make.log" 2>&1 ||
		{ tail "$work/make.log" >&2; die "git does not build"; }
fi

# A folder of git's programs in which `git` and `git-receive-pack` are the wrapper.
farm=$work/farm
mkdir "$farm" "$work/out"
for program in "$source"/git-*; do
	[ -f "$program" ] && [ -x "$program" ] && ln -s "$program" "$farm/"
done
cat >"$work/wrapper.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int with_value(const char *word)
{
	return !strcmp(word, "-C") || !strcmp(word, "-c") || !strcmp(word, "--git-dir") ||
	       !strcmp(word, "--work-tree") || !strcmp(word, "--namespace");
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	int receives = !strcmp(name, "git-receive-pack");

	if (argc == 2 && !strcmp(argv[1], "--exec-path")) {
		puts(FARM);
		return 0;
	}
	for (int i = 1; !receives && i < argc; i++) {
		if (with_value(argv[i]))
			i++;
		else if (argv[i][0] != '-') {
			receives = !strcmp(argv[i], "receive-pack");
			break;
		}
	}
	if (receives) {
		setenv("GIT_CONFIG_NOSYSTEM", "0", 1);
		setenv("GIT_CONFIG_SYSTEM", CONFIG, 1);
	}
	execv(REAL, argv);
	perror(REAL);
	return 127;
}
C
"${CC:-cc}" -O1 -o "$farm/git" "-DFARM=\"$farm\"" "-DREAL=\"$source/git\"" \
	"-DCONFIG=\"$work/gitconfig\"" "$work/wrapper.c"
rm -f "$farm/git-receive-pack"
ln "$farm/git" "$farm/git-receive-pack"

# Both sets of hooks.
mkdir "$work/zero" "$work/warden" "$work/state" "$work/log" "$work/root"
chmod 700 "$work/state" "$work/log"
echo 'int main(void) { return 0; }' >"$work/zero.c"
"${CC:-cc}" -O1 -o "$work/zero/pre-receive" "$work/zero.c"
for name in update post-receive; do ln "$work/zero/pre-receive" "$work/zero/$name"; done
for name in pre-receive update post-receive refwarden; do cp "$programs/$name" "$work/warden/"; done
account=$(id -un)
trail=$work/log/audit.jsonl
cat >"$work/warden/site.toml" <<TOML
version = 1
policy = "$work/policy.toml"
state = "$work/state"
account = "$account"
account-uid = $(id -u)
root = "$work/root"
TOML
cat >"$work/policy.toml" <<TOML
version = 1

[store]
path = "$work/state"

[audit]
file = "$trail"

[identity]
sources = ["unix"]

[users.tester]
unix = "$account"

[schemes.default]
[[schemes.default.permit]]
permissions = ["write"]
refs = ["refs/heads/**", "refs/tags/**", "refs/remotes/**", "refs/notes/**"]
to = ["authenticated"]

[projects.ALL]
repositories = ["**"]
TOML
"$work/warden/refwarden" policy apply >"$work/apply.log" 2>&1 ||
	{ cat "$work/apply.log" >&2; die "the policy was not applied"; }

size() { if [ -f "$1" ]; then wc -c <"$1"; else echo 0; fi; }

# Lines of a test script's output in; `SCRIPT<TAB>NUMBER<TAB>RESULT<TAB>CODES<TAB>TITLE` out.
# A test's codes are those in its output, and those that came to the trail while it ran: tests
# like to keep what the server says to themselves.
outcomes() {
	script=$1
	from=$(size "$trail")
	seen=
	while IFS= read -r line; do
		case $line in
		"ok "[0-9]* | "not ok "[0-9]*) ;;
		*RW[1-5][0-9][0-9]*)
			seen="$seen $(printf '%s\n' "$line" | grep -o 'RW[1-5][0-9][0-9]' | tr '\n' ' ')"
			continue ;;
		*) continue ;;
		esac
		to=$(size "$trail")
		if [ "$to" -gt "$from" ]; then
			seen="$seen $(tail -c +"$((from + 1))" "$trail" | grep -o 'RW[1-5][0-9][0-9]' |
				tr '\n' ' ' || :)"
		fi
		from=$to
		result=pass
		case $line in
		"not ok "*) result=fail; line=${line#not } ;;
		*"# skip"*) result=skip ;;
		esac
		line=${line#ok }
		number=${line%% *}
		title=${line#* }
		title=${title#- }
		codes=$(printf '%s\n' "$seen" | tr -s ' ' '\n' | sed '/^$/d' | sort -u | tr '\n' ' ')
		printf '%s\t%s\t%s\t%s\t%s\n' "$script" "$number" "$result" "${codes:--}" "$title"
		seen=
	done
}

# run HOOKS SCRIPT: one script with one set of hooks.
run() {
	printf '[core]\n\thooksPath = %s\n' "$work/$1" >"$work/gitconfig"
	rm -rf "$work/root" && mkdir "$work/root"
	(
		cd "$source/t"
		GIT_TEST_INSTALLED=$farm TEST_OUTPUT_DIRECTORY=$work/out GIT_TEST_CHAIN_LINT=0 \
			"./$2" --root="$work/root" -v --no-color </dev/null 2>&1 || :
	) | tee "$work/out/$2.$1.log" | outcomes "${2%%-*}"
}

# Those that pass in the first file and do not in the second. One in which no code was seen may
# miss what was refused in a test before it: it is given those codes as `after-CODE`.
lost() {
	awk -F '\t' 'NR == FNR { if ($3 == "pass") passed[$2] = $0; next }
		{ second[$2] = $3; codes[$2] = $4 == "-" && before != "" ? before : $4 }
		$4 != "-" {
			count = split($4, seen, " ")
			for (i = 1; i <= count; i++)
				if (index(before, seen[i]) == 0) before = before "after-" seen[i] " "
		}
		END {
			for (n in passed) if (second[n] != "pass") {
				split(passed[n], f, "\t")
				print f[1] " | " n " | " f[5] " | " (n in codes ? codes[n] : "not reached")
			}
		}' "$1" "$2" | sort -t '|' -k2n
}

started=$(date +%s)
say "git $("$farm/git" version | cut -d ' ' -f 3), refwarden from $programs"
both=0 first=0 ran=0
: >"$work/lost"
for number in $scripts; do
	for path in "$source"/t/"$number"-*.sh; do
		[ -f "$path" ] || continue
		script=$(basename "$path")
		run zero "$script" >"$work/first"
		run warden "$script" >"$work/second"
		lost "$work/first" "$work/second" >"$work/lost.once"
		if [ -s "$work/lost.once" ]; then
			# Some of git's tests fail now and then: only what fails twice counts.
			run warden "$script" >"$work/third"
			lost "$work/first" "$work/third" >"$work/lost.twice"
			cut -d '|' -f 1,2 "$work/lost.twice" >"$work/again"
			grep -F -f "$work/again" "$work/lost.once" >>"$work/lost" || :
		fi
		passed=$(awk -F '\t' '$3 == "pass"' "$work/first" | wc -l)
		kept=$(awk -F '\t' '$3 == "pass"' "$work/second" | wc -l)
		both=$((both + kept)) first=$((first + passed)) ran=$((ran + 1))
		say "  ${script%.sh}: $passed pass with hooks that exit 0, $kept with refwarden"
	done
done

# Expected lines are `script | number | title | code | why`. Numbers differ between versions of
# git: script and title are what is compared, and the code must be one that was seen, or as
# `after-CODE` one that was seen before.
unexpected=0
explained=0
while IFS= read -r line; do
	script=$(printf '%s\n' "$line" | awk -F ' [|] ' '{ print $1 }')
	title=$(printf '%s\n' "$line" | awk -F ' [|] ' '{ print $3 }')
	codes=$(printf '%s\n' "$line" | awk -F ' [|] ' '{ print $4 }')
	code=$(awk -F ' [|] ' -v s="$script" -v t="$title" '$1 == s && $3 == t { print $4; exit }' \
		"$expected")
	case " $codes " in
	*" ${code:-none} "*) explained=$((explained + 1)); say "expected:   $line" ;;
	*) unexpected=$((unexpected + 1)); say "UNEXPECTED: $line" ;;
	esac
done <"$work/lost"

say "$ran scripts, $first tests pass with hooks that exit 0; $(($(date +%s) - started)) s"
say "$explained tests fail as git-suite.expected says"
say "$both passed, $unexpected failed"
[ "$unexpected" -eq 0 ] && [ "$both" -gt 0 ]
