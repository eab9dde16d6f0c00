#!/bin/sh
# Writes a policy of a given size: benches/policy.sh USERS PROJECTS STATE TRAIL [paths|lent]
#
# Every project has a scheme of its own with 20 entries, so 1000 projects make 20 000. `bob` is a
# user of all of them and may push anywhere. PAY has every repository that no other project names,
# hand-written grants that are live, and with `paths` entries that look at changed paths. With `lent`
# bob may ask for one push at a time to `hot/*`, where nobody has a standing right.
set -eu
users=${1:?}
projects=${2:?}
state=${3:?}
trail=${4:?}
paths=
[ "${5:-}" != paths ] || paths=1

cat <<TOML
version = 1

[server]
name = "bench"
max-commits-per-push = 1000000

[store]
path = "$state"

[audit]
file = "$trail"

[identity]
sources = ["remote-user"]

[users.bob]
emails = ["bob@example.org"]
TOML

awk -v users="$users" -v projects="$projects" -v paths="$paths" 'BEGIN {
	for (i = 1; i < users; i++)
		printf "[users.user%d]\nemails = [\"user%d@example.org\"]\n", i, i
	printf "\n[groups]\n"
	last = users > 10 ? 10 : users - 1
	printf "core = [\"bob\""
	for (i = 1; i <= last; i++) printf ", \"user%d\"", i
	printf "]\n"
	printf "release = [\"@core\"]\n\n[roles.developer]\n[roles.maintainer]\n"
	scheme("default", paths)
	for (p = 2; p <= projects; p++) scheme("s" p, "")
	printf "\n[projects.PAY]\nrepositories = [\"**\"]\nbase = \"main\"\n"
	printf "[projects.PAY.roles]\ndeveloper = [\"bob\"]\nmaintainer = [\"@release\"]\n"
	for (p = 2; p <= projects; p++) {
		a = 1 + (p * 7) % (users > 1 ? users - 1 : 1)
		printf "\n[projects.P%d]\nrepositories = [\"group%d/**\"]\nscheme = \"s%d\"\n", p, p, p
		printf "[projects.P%d.roles]\ndeveloper = [\"bob\", \"user%d\"]\n", p, a
		printf "maintainer = [\"@core\"]\n"
	}
	for (g = 1; g <= 5; g++) {
		printf "\n[[grants]]\nid = \"lent-%d\"\nto = [\"bob\"]\nprojects = [\"PAY\"]\n", g
		printf "permissions = [\"push\"]\nbranches = [\"lent/%d/**\"]\n", g
		printf "until = 2099-01-01T00:00:00Z\nreason = \"measured\"\n"
	}
}
function permit(s, what, where, to) {
	printf "[[schemes.%s.permit]]\npermissions = [%s]\n%s\nto = [%s]\n", s, what, where, to
}
function forbid(s, what, where, rest) {
	printf "[[schemes.%s.forbid]]\npermissions = [%s]\n%s\n%s\n", s, what, where, rest
}
function scheme(s, paths,   i) {
	printf "\n[schemes.%s]\n", s
	push = "\"push\""; dev = "\"role:developer\""; main = "\"role:maintainer\""
	if (paths) {
		permit(s, push, "paths = [\"**\"]", dev)
		forbid(s, push, "paths = [\"secrets/**\", \"**/*.pem\"]", "reason = \"no secrets\"")
	} else {
		permit(s, push, "branches = [\"main\", \"b/**\", \"x\"]", dev)
		permit(s, push, "branches = [\"release/*\"]", main)
	}
	permit(s, "\"write\"", "branches = [\"users/${user}/**\"]", "\"authenticated\"")
	permit(s, "\"read\"", "", "\"authenticated\"")
	for (i = 1; i <= 10; i++)
		permit(s, push, "branches = [\"area-" i "/**\", \"topic-" i "-*/**\"]", dev)
	forbid(s, "\"force\", \"delete\"", "tags = [\"v*\"]", "reason = \"tags never move\"")
	forbid(s, "\"force\"", "branches = [\"main\", \"release/*\"]", "except = [\"@release\"]")
	forbid(s, push, "branches = [\"frozen/**\"]", "reason = \"frozen\"")
	forbid(s, push, "refs = [\"regex:refs/heads/(tmp|wip)-[0-9]+\"]", "reason = \"no scratch\"")
	forbid(s, push, "branches = [\"release/*\"]",
		"when = { from = 2020-12-19T00:00:00Z, until = 2021-01-04T00:00:00Z }")
	forbid(s, "\"delete\"", "branches = [\"main\"]", "reason = \"main stays\"")
}'
[ "${5:-}" = lent ] || exit 0
# Each round asks anew, which nobody does so often in an hour.
cat <<TOML

[access]
max-open = 1000

[entitlements.hotfix]
projects = ["PAY"]
eligible = ["bob"]
permissions = ["push"]
branches = ["hot/*"]
max-duration = "4h"
max-uses = 1
approval = [{ from = ["user1"], count = 1 }]
TOML
