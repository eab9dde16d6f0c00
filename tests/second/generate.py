"""Random policies that are valid, and questions about them; the same seed gives the same.

Alphabets are small, so that entries collide; names, patterns and times are chosen to be awkward.
"""

import datetime
import json

import oracle

USERS = ("alice", "bob", "a.b", "axb", "notes", "al-ice", "dave")
ROLES = ("dev", "mnt", "wr")
REPOSITORIES = ("a", "b", "a/b", "a/b/c", "b/a", "x", "x/y", "A/b", "c", "a/\u00e9", "a.b")
BRANCHES = (
    "a", "b", "ab", "main", "a/b", "a/b/c", "b/a", "alice", "alice/x", "a.b/x", "axb/x", "A", "aaa",
    "\u00e9", "\u00e9/a", "{a", "a,b", "a}b", "$a", "!a", "x/alice", "a]b", "a.b", "axb", "a.b.a",
    "alicealice", "notes", "release/1", "heads/a", "a-b", "ALICE",
)
TAGS = ("v1", "v1/a", "a", "a/b", "alice", "v\u00e9", "refs/heads/a", "\u00e9")
ELSEWHERE = (
    "refs/notes/a", "refs/notes/a/b", "refs/notes/alice/x", "refs/notesx/a", "refs/stash", "refs/a/b",
    "refs/alice/a", "refs/refwarden/a", "refs/refwarden/a/b", "refs/refwardenx/a", "refs/meta/a",
    "refs/Heads/a", "refs/headsx/a", "refs/a", "refs/\u00e9/a",
)
REFS = (
    *(f"refs/heads/{name}" for name in BRANCHES), *(f"refs/tags/{name}" for name in TAGS), *ELSEWHERE,
)
PATHS = (
    "a", "b", "a/b", "a/b/c", "docs/x.md", "x.md", "a/x.md", "a.b", "axb", "\u00e9", "\u00e9/a", "a/\u00e9.md", "A",
    "a\nb", "*", "a*b", "[a]", "a\\b", "^", "-", " ", "alice/x", "a.b/x", "b/a", "\u00e9\u00e9", "]", "{a", "**",
    "a\n", ".a", "a/.b", "${user}",
)
PIECES = (
    "a", "b", "ab", "main", "x", "*", "*", "a*", "*b", "?", "??", "a?b", "[ab]", "[!a]", "[a-c]",
    "[!a-c]*", "[a-]*", r"[\]a]", r"[!\-a]", "{a,b}", "{a*,b}", "{ab,a}*", r"\a", "${user}", "*${user}*",
    "{${user},x}", r"\{a", "a.b", "\u00e9", "*\u00e9", "?\u00e9", r"a\,b", r"{a\,b,b}", "a,b", "!a", r"\*", r"a\*b",
    "**", "**", "**", "{a/b,b}", "{a/**,b}", "{**,b}", "{[ab],x}", "*.md", "*a*", "a}b".replace("}", r"\}"),
    "$a", r"\$*", "]", "a]b", "[A-Z]", "[!b]*", "{a}", "v*", "alice", "[*]", "[a?]", "[{,}]*", ".*", "{a*,b}c*",
    "*a{*,x}", r"\**", "[**]", r"[\]-a]", "{a/**,x/y}", "{a,b}/**", "x/**", "docs/**", "a/**", "{a/b,x}/**",
)
FOLDERS = (
    "refs/heads/", "refs/heads/", "refs/tags/", "refs/notes/", "refs/notes/", "refs/", "refs/*/",
    "refs/{notes,heads}/", "refs/**/", "**/", "*/heads/", "refs/h*/", r"refs/n\otes/", "refs/notes*/",
    "refs/${user}/", "refs/[hn]*/", "refs/refwarden/", "refs/refwardenx/", "refs/a/", "refs/?eads/",
    "{refs/heads,refs/notes}/", "refs/notes/${user}/", r"refs\/notes/".replace(r"\/", "/"), "refs/\u00e9/",
)
REGEXES = (
    "a.*", "[ab]/.*", "(a|b)", "a|b", ".*", "a.b", "${user}/.*", "(?i)a", "(?i:M)ain", r"\w+", "[^/]+",
    "a{1,2}", "x?a*", "${user}|main", "\u00e9.*", ".", "..", "^a", "a$", r"\bab?\b.*", "(?-s:a.b)",
    "(?x) a b # all\n", "${user}+", "(?:${user}){2}", "${user}{2}", ".*${user}.*", "(?i)${user}", r"\*", "a+?b*",
    r"[\w.]+", r"[^a]", "x/${user}", "|a", "notes/.*", "v[0-9]", "(?P<n>a)b?", r"\x61", r"\d+|a\sb",
)
FULL = ("refs/heads/.*", "refs/.*", "refs/(heads|notes)/a.*", "refs/notes/.*", ".*/a", "refs/[^/]+/${user}")
ZONES = ("UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
WEEKLY = (
    "Mon-Fri 09:00-17:30", "Sun 00:30-02:30", "Sat-Sun 23:00-01:30", "Fri-Mon 22:00-24:00", "Sun 01:00-02:00",
    "Mon,Wed 09:00-10:00", "Tue 00:00-24:00", "Sun 23:30-00:30", "Sat 23:00-00:00", "Sun-Sat 02:00-03:00",
    "Fri 17:30-09:00", "Sat,Mon-Tue 00:00-06:30",
)
INSTANTS = tuple(
    datetime.datetime(*when, tzinfo=datetime.timezone.utc)
    for when in (
        (2026, 3, 29, 1), (2026, 3, 8, 7), (2026, 10, 25, 0), (2026, 10, 25, 1), (2026, 11, 1, 6),
        (2026, 12, 19), (2027, 1, 4), (2026, 10, 24, 22, 30), (2026, 10, 26, 9), (2026, 4, 4, 15),
    )
)
SPELLED = ("Z", "+00:00", "+05:30", "-08:00")


ENTITLEMENT = {
    "projects": ["P"],
    "repositories": ["**"],
    "eligible": ["authenticated"],
    "permissions": ["write"],
    "max-duration": "1h",
    "max-uses": 1,
    "auto": {"max-duration": "5m"},
}


class Time(str):
    """A date-time of TOML: written without quotes."""


# --- policies ---------------------------------------------------------------------------------

class Generator:
    """One policy and its questions."""

    def __init__(self, random):
        self.random = random

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def some(self, of, least=1, most=3):
        of = list(of)
        return self.random.sample(of, min(len(of), self.random.randint(least, most)))

    def spelled(self, time):
        """A time in RFC 3339, in one of several offsets."""
        zone = self.random.choice(SPELLED)
        if zone == "Z":
            return time.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
        hours, minutes = zone[1:].split(":")
        offset = datetime.timedelta(hours=int(hours), minutes=int(minutes))
        zone = datetime.timezone(-offset if zone[0] == "-" else offset)
        return time.astimezone(zone).isoformat()

    def window(self):
        """`from` and `until`, either or both."""
        start, end = sorted(self.random.sample(INSTANTS, 2))
        found = {}
        if self.chance(70):
            found["from"] = Time(self.spelled(start))
        if self.chance(70):
            found["until"] = Time(self.spelled(end))
        return found

    def when(self):
        found = self.window()
        if self.chance(50) or not found:
            found["weekly"] = self.some(WEEKLY, 1, 2)
            if self.chance(60):
                found["zone"] = self.random.choice(ZONES)
        return found

    def glob(self):
        parts = [self.random.choice(PIECES) for _ in range(self.random.choice((1, 1, 2, 2, 3)))]
        return "/".join(parts)

    def pattern(self, kind):
        if self.chance(20):
            of = FULL if kind == "refs" and self.chance(70) else REGEXES
            return "regex:" + self.random.choice(of)
        if kind != "refs":
            return self.glob()
        if self.chance(20):
            return self.random.choice(("refs/**", "**", "refs/notes/**", "refs/stash", "refs/heads/a", "refs/*/a"))
        return self.random.choice(FOLDERS) + self.glob()

    def patterns(self, kind, permit):
        """A few patterns; a permit's are to cover something, as the policy asks."""
        found = []
        while not found or self.chance(40):
            one = self.pattern(kind)
            if kind in oracle.KINDS and not self.useful(one, kind, permit):
                continue
            found.append(one)
        return found

    def useful(self, pattern, kind, permit):
        prefix = oracle.KINDS[kind]
        return any(
            oracle.matches(pattern, user, ref.encode(), prefix)
            and (not permit or oracle.spells_out(pattern, kind, ref.encode()))
            for user in USERS
            for ref in REFS
            if not (permit and ref.startswith("refs/refwarden/"))
        )

    def holders(self, groups, permit, read):
        of = [*USERS, *("@" + group for group in groups), *("role:" + role for role in ROLES)] * 2
        of += ["lead", *(["authenticated"] * 12)]
        if permit:
            of += ["assignee", "field:customfield_1"]
        if read:
            of += ["anyone", "anyone"]
        return self.some(of, 1, 3)

    def places(self, entry, permit):
        for kind in oracle.KINDS:
            if self.chance(30):
                entry[kind] = self.patterns(kind, permit)
            if self.chance(12):
                entry["except-" + kind] = self.patterns(kind, False)
        if self.chance(35):
            entry["paths"] = self.patterns("paths", permit)
        if self.chance(12):
            entry["except-paths"] = self.patterns("paths", False)

    def entry(self, kind, groups):
        """A permit, a forbid or a grant."""
        permit = kind != "forbid"
        read = self.chance(20 if permit else 6)
        entry = {"permissions": ["read"] if read else self.permissions()}
        if read and self.chance(10):
            entry["permissions"].append("update")
        anyone = entry["permissions"] == ["read"]
        if permit or self.chance(30):
            entry["to"] = self.holders(groups, permit, anyone)
        if self.chance(20):
            entry["except"] = self.holders(groups, not permit, anyone)
        if not read:
            self.places(entry, permit)
        if kind != "grant" and self.chance(25):
            entry["when"] = self.when()
        if kind == "forbid" and self.chance(15):
            entry["enforce"] = "warn"
        return entry

    def permissions(self):
        if self.chance(40):
            return ["write"]
        return self.some(("create", "update", "force", "delete", "push", "push", "write"), 1, 2)

    def grant(self, number, groups):
        entry = {"id": f"g{number}", "reason": "a reason that is long enough"}
        entry.update(self.entry("grant", groups))
        start, end = sorted(self.random.sample(INSTANTS, 2))
        if self.chance(60):
            entry["from"] = Time(self.spelled(start))
        entry["until"] = Time(self.spelled(end))
        which = self.random.randrange(3)
        if which != 0:
            entry["projects"] = self.some(("P", "Q", "R"), 1, 2)
        if which != 1:
            entry["repositories"] = self.some(self.repository_globs(), 1, 2)
        return entry

    def repository_globs(self):
        return (
            "a", "a/b", "x", "a/**", "a/*", "*", "**", "*/b", "**/b", "x/**", "[ab]", "{b,x}/**", "?/b/**",
            "a/**/c", r"\a", "c", "*/\u00e9", "a.b", "{a,x}",
        )

    def project(self, schemes):
        project = {"repositories": self.some(self.repository_globs(), 1, 3), "base": "main"}
        if self.chance(70):
            project["scheme"] = self.random.choice(schemes)
        if self.chance(70):
            project["lead"] = self.random.choice(USERS)
        if self.chance(12):
            project["enforce"] = "warn"
        if self.chance(10):
            project["enforce"] = "refuse"
        return project

    def policy(self):
        groups, policy = {}, {"version": 1, "identity": {"sources": ["gitolite"]}}
        if self.chance(50):
            policy["server"] = {"timezone": self.random.choice(ZONES)}
        policy["users"] = {user: {} for user in USERS}
        policy["users"]["dave"]["active"] = False
        if self.chance(20):
            policy["users"]["bob"].update(kind="service", owner="alice")
        for number in range(self.random.randint(1, 4)):
            of = [*USERS, *("@" + group for group in groups)]
            groups[f"g{number}"] = self.some(of, 1, 3)
        policy["groups"] = groups
        members = [*USERS, *("@" + group for group in groups)]
        policy["roles"] = {
            role: {"default-members": self.some(members, 1, 2)} if self.chance(50) else {} for role in ROLES
        }
        names = ("default", "s1", "s2", "s3")[: self.random.randint(1, 4)]
        policy["schemes"] = {}
        for number, name in enumerate(names):
            scheme = {"extends": self.random.choice(names[:number])} if number and self.chance(70) else {}
            scheme["permit"] = [self.entry("permit", groups) for _ in range(self.random.randint(1, 6))]
            scheme["forbid"] = [self.entry("forbid", groups) for _ in range(self.random.randint(0, 2))]
            policy["schemes"][name] = scheme
        policy["projects"] = {name: self.project(names) for name in ("P", "Q", "R")}
        for project in policy["projects"].values():
            roles = self.some(ROLES, 0, 3)
            if roles:
                project["roles"] = {role: self.some(members, 0, 2) for role in roles}
        policy["grants"] = [self.grant(n, groups) for n in range(self.random.randint(0, 3))]
        # What can be asked for permits nothing: the second reading does not look at it.
        policy["entitlements"] = {"all": dict(ENTITLEMENT)}
        return policy

    # --- questions ----------------------------------------------------------------------------

    def question(self, repositories):
        action = self.random.choice(("create", "update", "update", "update", "force", "delete", "read"))
        # Dave holds nothing: now and then is enough.
        user = self.random.choice(USERS if self.chance(20) else USERS[:-1])
        question = {"user": user, "repository": self.random.choice(repositories)}
        if self.chance(2):
            question["user"] = self.random.choice(("nobody", "Alice", "authenticated"))
        if action == "read" and self.chance(25):
            del question["user"]
        question["action"] = action
        if action != "read":
            of = self.random.choice((BRANCHES, TAGS, ELSEWHERE, BRANCHES))
            name = self.random.choice(of)
            prefix = {BRANCHES: "refs/heads/", TAGS: "refs/tags/"}.get(of, "")
            question["ref"] = prefix + name
            if of is BRANCHES and self.chance(10):
                question["ref"] = name
        if self.chance(75):
            question["paths"] = [
                {"path": path, "link": self.chance(70)} if self.chance(25) else path
                for path in self.some(PATHS, 0, 3)
            ]
        time = self.random.choice(INSTANTS)
        step = self.random.choice((0, 0, -1, 1, 1800, -1800, 3600, -3600, 5400, 86400, -86400, 0.5, -0.5))
        question["time"] = self.spelled(time + datetime.timedelta(seconds=step))
        return question

    def questions(self, policy, count):
        """Mostly about repositories that are in one project."""
        meaning = oracle.Policy(written(policy))
        single = [name for name in REPOSITORIES if meaning.project_of(name)[0]]
        of = single * 9 + list(REPOSITORIES)
        return [self.question(of) for _ in range(count)]


# --- TOML -------------------------------------------------------------------------------------

def value(of):
    if isinstance(of, Time):
        return str(of)
    if isinstance(of, dict):
        return "{ " + ", ".join(f"{key} = {value(one)}" for key, one in of.items()) + " }"
    if isinstance(of, list):
        return "[" + ", ".join(map(value, of)) + "]"
    return json.dumps(of, ensure_ascii=False)


def table(header, entries):
    return [header, *(f"{key} = {value(one)}" for key, one in entries.items()), ""]


def quoted(name):
    return f'"{name}"' if "." in name else name


def written(policy):
    """The policy as TOML."""
    lines = [f"version = {policy['version']}", ""]
    for key in ("server", "identity", "groups"):
        if key in policy:
            lines += table(f"[{key}]", policy[key])
    for key in ("users", "roles"):
        for name, entries in policy.get(key, {}).items():
            lines += table(f"[{key}.{quoted(name)}]", entries)
    for name, scheme in policy.get("schemes", {}).items():
        lines += table(f"[schemes.{name}]", {k: v for k, v in scheme.items() if k == "extends"})
        for kind in ("permit", "forbid"):
            for entry in scheme.get(kind, []):
                lines += table(f"[[schemes.{name}.{kind}]]", entry)
    for name, project in policy.get("projects", {}).items():
        lines += table(f"[projects.{name}]", {k: v for k, v in project.items() if k != "roles"})
        if "roles" in project:
            lines += table(f"[projects.{name}.roles]", project["roles"])
    for grant in policy.get("grants", []):
        lines += table("[[grants]]", grant)
    for name, entries in policy.get("entitlements", {}).items():
        lines += table(f"[entitlements.{quoted(name)}]", entries)
    return "\n".join(lines)
