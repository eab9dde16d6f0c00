"""What a policy means: a second reading of its rules, naive and slow on purpose.

Written from the policy's documentation alone, without a look at the Rust sources, so that the two
can be compared (compare.py). Knows valid policies only: it checks nothing, and is wrong about a
policy that `refwarden policy check` refuses.

A question is {user, repository, action, ref, paths?, time?}; the answer {verdict, code,
would_refuse}. Grants from a store, locks, checks and issues are not known here.
"""

import datetime
import functools
import re
import tomllib
import zoneinfo

PUSH = ("create", "update", "force", "delete")
SHORT = {"push": ("create", "update"), "write": PUSH}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
KINDS = {"branches": b"refs/heads/", "tags": b"refs/tags/", "refs": b""}
NAMED = (b"refs/heads/", b"refs/tags/")
NEVER = b"refs/refwarden/"
ANY = "\0"


# --- patterns ---------------------------------------------------------------------------------

def literally(name):
    """The name as a glob that matches nothing else."""
    return "".join("\\" + c for c in name)


def expand(glob):
    """The globs without braces that a glob stands for."""
    i = 0
    while i < len(glob):
        if glob[i] == "\\":
            i += 2
        elif glob[i] == "[":
            i = class_end(glob, i) + 1
        elif glob[i] == "{":
            parts, start, j = [], i + 1, i + 1
            while glob[j] != "}":
                if glob[j] == "\\":
                    j += 1
                elif glob[j] == "[":
                    j = class_end(glob, j)
                elif glob[j] == ",":
                    parts.append(glob[start:j])
                    start = j + 1
                j += 1
            parts.append(glob[start:j])
            return [glob[:i] + part + rest for part in parts for rest in expand(glob[j + 1:])]
        else:
            i += 1
    return [glob]


def marked(glob):
    """The glob with every written `**` as one NUL: two stars that braces bring together are two."""
    found, i = "", 0
    while i < len(glob):
        end = i + 1
        if glob[i] == "\\":
            end = i + 2
        elif glob[i] == "[":
            end = class_end(glob, i) + 1
        elif glob.startswith("**", i):
            found, i = found + ANY, i + 2
            continue
        found += glob[i:end]
        i = end
    return found


def class_end(glob, i):
    """Where the class that opens at `i` closes."""
    i += 1
    while glob[i] != "]":
        i += 2 if glob[i] == "\\" else 1
    return i


def class_has(body, byte):
    """Whether `[body]` has this byte."""
    negated = body.startswith(b"!")
    body = body[1:] if negated else body
    items = []
    i = 0
    while i < len(body):
        escaped = body[i:i + 1] == b"\\"
        i += escaped
        items.append((body[i], escaped))
        i += 1
    found, i = False, 0
    while i < len(items):
        if i + 2 < len(items) and items[i + 1] == (ord("-"), False):
            found = found or items[i][0] <= byte <= items[i + 2][0]
            i += 3
        else:
            found = found or items[i][0] == byte
            i += 1
    return found != negated


def part_matches(glob, name):
    """One component, byte for byte."""
    if not glob:
        return not name
    if glob[:1] == b"*":
        return any(part_matches(glob[1:], name[i:]) for i in range(len(name) + 1))
    if not name:
        return False
    if glob[:1] == b"?":
        return part_matches(glob[1:], name[1:])
    if glob[:1] == b"[":
        end = class_end(glob.decode("latin-1"), 0)
        return class_has(glob[1:end], name[0]) and part_matches(glob[end + 1:], name[1:])
    if glob[:1] == b"\\":
        glob = glob[1:]
    return glob[0] == name[0] and part_matches(glob[1:], name[1:])


def parts_match(globs, names):
    """Whole names, component by component."""
    if not globs:
        return not names
    if globs[0] == ANY.encode():
        if len(globs) == 1:
            return len(names) > 0
        return any(parts_match(globs[1:], names[i:]) for i in range(len(names) + 1))
    return bool(names) and part_matches(globs[0], names[0]) and parts_match(globs[1:], names[1:])


@functools.cache
def glob_matches(glob, name):
    """Whether the glob matches the whole name (bytes)."""
    return any(one_matches(one, name) for one in expand(marked(glob)))


def one_matches(one, name):
    """The same for a glob that is marked and has no braces."""
    return parts_match(one.encode().split(b"/"), name.split(b"/"))


def matches(pattern, user, name, prefix=b""):
    """Whether a pattern of a policy matches; `prefix` is what `branches` and `tags` add."""
    if not name.startswith(prefix):
        return False
    name = name[len(prefix):]
    if pattern.startswith("regex:"):
        literal = "(?:" + re.escape(user or "") + ")"
        source = pattern[len("regex:"):].replace("${user}", literal)
        return re.fullmatch(source.encode(), name, re.DOTALL) is not None
    return glob_matches(pattern.replace("${user}", literally(user or "")), name)


def literal_prefix(glob):
    """What every name that the glob matches begins with, as it is written."""
    found, i = "", 0
    while i < len(glob) and glob[i] not in "*?[{" and not glob.startswith("${user}", i):
        i += glob[i] == "\\"
        found += glob[i]
        i += 1
    return found.encode()


def spells_out(pattern, kind, ref):
    """Whether a permit's pattern may speak about this ref at all."""
    if ref.startswith(NAMED):
        return True
    if ref.startswith(NEVER) or pattern.startswith("regex:"):
        return False
    prefix = KINDS[kind] + literal_prefix(pattern)
    folder = b"/".join(ref.split(b"/")[:2]) + b"/"
    return prefix.startswith(folder) or pattern.encode() == ref


# --- what an entry is about -------------------------------------------------------------------

def covers_ref(entry, user, ref, permit):
    """Whether a permit, a forbid or a grant is about this ref."""
    for kind, prefix in KINDS.items():
        if any(matches(p, user, ref, prefix) for p in entry.get("except-" + kind, [])):
            return False
    if not any(kind in entry for kind in KINDS):
        return not permit or ref.startswith(NAMED)
    return any(
        matches(p, user, ref, prefix) and (not permit or spells_out(p, kind, ref))
        for kind, prefix in KINDS.items()
        for p in entry.get(kind, [])
    )


def below(pattern, user, path):
    """Whether a pattern spells this path out as a folder on its way to something below: a symbolic
    link or submodule there changes what lies below."""
    if pattern.startswith("regex:"):
        return False
    for one in expand(marked(pattern.replace("${user}", literally(user or "")))):
        if one.endswith("/" + ANY) and one_matches(one[:-2], path):
            return True
        parts, depth = one.split("/"), path.count(b"/") + 1
        way = parts[:depth]
        if len(parts) > depth and ANY not in way and one_matches("/".join(way), path):
            return True
    return False


def has_paths(entry):
    return "paths" in entry or "except-paths" in entry


def covers_path(entry, user, change, permit):
    """Whether an entry is about a change to this path: its name, or {path, link}."""
    link = isinstance(change, dict) and change["link"]
    path = (change["path"] if isinstance(change, dict) else change).encode()
    taken = entry.get("except-paths", [])
    if any(matches(p, user, path) or (permit and link and below(p, user, path)) for p in taken):
        return False
    return "paths" not in entry or any(
        matches(p, user, path) or (not permit and link and below(p, user, path))
        for p in entry["paths"]
    )


def permissions(entry):
    """The permissions of an entry without shorthands."""
    return {one for name in entry["permissions"] for one in SHORT.get(name, (name,))}


def minutes(clock):
    hours, rest = clock.split(":")
    return int(hours) * 60 + int(rest)


def in_week(window, local):
    """Whether a wall clock is inside one weekly range, `Mon-Fri 09:00-17:30`."""
    days, times = window.split()
    span = set()
    for part in days.split(","):
        first, _, last = part.partition("-")
        first, last = DAYS.index(first), DAYS.index(last or first)
        span |= {(first + i) % 7 for i in range((last - first) % 7 + 1)}
    start, end = map(minutes, times.split("-"))
    now = local.hour * 60 + local.minute
    today = local.weekday()
    if start < end:
        return today in span and start <= now < end
    return (today in span and now >= start) or ((today - 1) % 7 in span and now < end)


def in_window(when, time, zone):
    """Whether all of `when` holds."""
    if "from" in when and time < when["from"]:
        return False
    if "until" in when and time >= when["until"]:
        return False
    if "weekly" not in when:
        return True
    local = time.astimezone(zoneinfo.ZoneInfo(when.get("zone", zone)))
    return any(in_week(window, local) for window in when["weekly"])


# --- the policy -------------------------------------------------------------------------------

class Policy:
    """A valid policy, asked question by question."""

    def __init__(self, text):
        self.raw = tomllib.loads(text)
        self.zone = self.raw.get("server", {}).get("timezone", "UTC")
        self.users = self.raw.get("users", {})
        self.projects = self.raw.get("projects", {})

    def members(self, group):
        """Everybody in a group, through groups in it."""
        found = set()
        for member in self.raw.get("groups", {})[group]:
            found |= self.members(member[1:]) if member.startswith("@") else {member}
        return found

    def role(self, project, role):
        members = project.get("roles", {}).get(role)
        if members is None:
            members = self.raw["roles"][role].get("default-members", [])
        found = set()
        for member in members:
            found |= self.members(member[1:]) if member.startswith("@") else {member}
        return found

    def holds(self, holder, user, project):
        """Whether a person is this holder; `None` is somebody without an identity."""
        if user is not None and not self.users[user].get("active", True):
            return False
        if holder == "anyone":
            return True
        if user is None:
            return False
        if holder == "authenticated":
            return True
        if holder == "lead":
            return project.get("lead") == user
        if holder in ("assignee", "reporter") or holder.startswith("field:"):
            return False
        if holder.startswith("role:"):
            return user in self.role(project, holder[len("role:"):])
        if holder.startswith("@"):
            return user in self.members(holder[1:])
        return holder == user

    def project_of(self, repository):
        """The project's name, or the code of the refusal."""
        name = repository.encode()
        ranks = {"exact": set(), "glob": set(), "all": set()}
        for key, project in self.projects.items():
            for glob in project["repositories"]:
                if not glob_matches(glob, name):
                    continue
                exact = literal_prefix(glob) == name
                ranks["all" if glob == "**" else "exact" if exact else "glob"].add(key)
        for found in (ranks["exact"], ranks["glob"], ranks["all"]):
            if found:
                return (found.pop(), None) if len(found) == 1 else (None, "RW503")
        return None, "RW105"

    def entries(self, scheme, kind):
        """A scheme's permits or forbids, with those that it extends."""
        table = self.raw["schemes"][scheme]
        found = list(table.get(kind, []))
        if "extends" in table:
            found += self.entries(table["extends"], kind)
        return found

    def grants(self, name, repository, time):
        """The hand-written grants that are live in this repository."""
        for grant in self.raw.get("grants", []):
            here = name in grant.get("projects", []) or any(
                glob_matches(glob, repository.encode()) for glob in grant.get("repositories", [])
            )
            if here and in_window({k: grant[k] for k in ("from", "until") if k in grant}, time, self.zone):
                yield grant

    def about(self, entry, user, project, time):
        """Whether an entry is about this person at this time."""
        if "to" in entry and not any(self.holds(h, user, project) for h in entry["to"]):
            return False
        if any(self.holds(h, user, project) for h in entry.get("except", [])):
            return False
        return in_window(entry.get("when", {}), time, self.zone)

    def answer(self, question, now):
        """The verdict on one question."""
        user, repository = question.get("user"), question["repository"]
        action = question["action"]
        time = datetime.datetime.fromisoformat(question["time"]) if "time" in question else now
        if user is None and action != "read":
            return refused("RW101")
        if user is not None and user not in self.users:
            return refused("RW102")
        if user is not None and not self.users[user].get("active", True):
            return refused("RW103")
        name, code = self.project_of(repository)
        if code:
            return refused(code)
        project = self.projects[name]
        scheme = project.get("scheme", "default")

        def live(entries):
            return [entry for entry in entries if self.about(entry, user, project, time)]

        permits = live([*self.entries(scheme, "permit"), *self.grants(name, repository, time)])
        forbids = live(self.entries(scheme, "forbid"))
        if action == "read":
            problems = list(read_problems(permits, forbids))
        else:
            problems = list(push_problems(permits, forbids, user, question))
        lenient = project.get("enforce") == "warn"
        hard = {code for code, warn in problems if not (warn or lenient)}
        soft = {code for code, warn in problems if warn or lenient}
        return judged(hard, soft)


def read_problems(permits, forbids):
    """Refusals of a read, each with whether it only warns."""
    for entry in forbids:
        if "read" in permissions(entry):
            yield "RW202", entry.get("enforce") == "warn"
    if not any(permissions(entry) & {"read", *PUSH} for entry in permits):
        yield "RW201", False


def push_problems(permits, forbids, user, question):
    """Refusals of one ref update, each with whether it only warns."""
    action = question["action"]
    ref = question["ref"].encode()
    if not ref.startswith(b"refs/"):
        ref = b"refs/heads/" + ref
    # A deletion has no paths; paths that are not given can't be known.
    known = "paths" in question
    paths = question.get("paths", [])

    for entry in forbids:
        warn = entry.get("enforce") == "warn"
        if "read" in permissions(entry):
            yield "RW202", warn
        if action not in permissions(entry) or not covers_ref(entry, user, ref, permit=False):
            continue
        if not has_paths(entry):
            yield "RW202", warn
        elif action == "delete":
            continue
        elif not known or any(covers_path(entry, user, path, permit=False) for path in paths):
            yield "RW203", warn

    matching = [
        entry
        for entry in permits
        if action in permissions(entry) and covers_ref(entry, user, ref, permit=True)
    ]
    if action == "delete" or not known:
        matching = [entry for entry in matching if not has_paths(entry)]
        paths = []
    if not matching:
        yield "RW201", False
    elif not all(
        any(covers_path(entry, user, path, permit=True) for entry in matching) for path in paths
    ):
        yield "RW203", False


def first(codes):
    return next((code for code in ("RW202", "RW203", "RW201") if code in codes), None)


def judged(hard, soft):
    if hard:
        return {"verdict": "refused", "code": first(hard), "would_refuse": None}
    return {"verdict": "allowed", "code": None, "would_refuse": first(soft)}


def refused(code):
    return {"verdict": "refused", "code": code, "would_refuse": None}
