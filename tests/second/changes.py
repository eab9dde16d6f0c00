"""Holds `refwarden policy diff` against brute force: two random policies, and every question about a
few people, repositories, refs, paths and times, answered by the second reading under both.

Usage: changes.py PROGRAM [--seeds N] [--start S] [--keep-going]

What the second reading answers otherwise must be reported (missed), and whatever is reported must be
so on its own example for somebody whom it names (invented). Each policy is also laid out by `refwarden policy fmt`, from random
spacing and with comments: another reader of TOML must read the same, and every comment must be there.
"""

import argparse
import copy
import datetime
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import tomllib

import generate
import oracle

NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
ACTIONS = ("read", "create", "update", "force", "delete")
LEVELS = {"refused": 0, "warned": 1, "allowed": 2}


def without_hours(policy):
    """The same without hours of the week: their turns would have to be tried one by one."""
    for scheme in policy["schemes"].values():
        for entry in scheme["permit"] + scheme["forbid"]:
            when = entry.get("when", {})
            when.pop("weekly", None)
            when.pop("zone", None)
            if not when:
                entry.pop("when", None)
    return policy


def changed(policy, generator):
    """The policy with something about it changed."""
    new, groups = copy.deepcopy(policy), policy["groups"]
    for _ in range(generator.random.randint(1, 3)):
        what = generator.random.randrange(8)
        scheme = new["schemes"][generator.random.choice(list(new["schemes"]))]
        entries = scheme[generator.random.choice(("permit", "permit", "forbid"))]
        if what == 0:
            user = generator.random.choice(generate.USERS)
            new["users"][user]["active"] = not new["users"][user].get("active", True)
        elif what == 1:
            new["groups"]["g0"] = generator.some(generate.USERS, 1, 3)
        elif what == 2:
            new["grants"] = [generator.grant(number, groups) for number in range(2)]
        elif what == 3:
            project = new["projects"][generator.random.choice(list(new["projects"]))]
            project["lead"] = generator.random.choice(generate.USERS)
        elif what == 4:
            project = new["projects"][generator.random.choice(list(new["projects"]))]
            project["enforce"] = generator.random.choice(("warn", "refuse"))
        elif what == 5 and entries:
            del entries[generator.random.randrange(len(entries))]
        else:
            entries.append(generator.entry("forbid" if entries is scheme["forbid"] else "permit", groups))
    return without_hours(new)


def level(answer):
    if answer["verdict"] == "refused":
        return "refused"
    return "warned" if answer["would_refuse"] else "allowed"


class Both:
    """Two policies, asked the same."""

    def __init__(self, old, new):
        self.sides = [oracle.Policy(generate.written(side)) for side in (old, new)]

    def levels(self, question):
        return [level(side.answer(question, NOW)) for side in self.sides]

    def project(self, repository):
        """The project that a change is told of: the new one, else the old one."""
        old, new = (side.project_of(repository)[0] for side in self.sides)
        return new or old


def instants():
    """One time in every stretch between two ends of a window."""
    return [NOW, *sorted(time for time in generate.INSTANTS if time > NOW)]


def questions(generator, both):
    """Every question about a few of everything."""
    users = [None, *generator.some(generate.USERS, 3, 3)]
    single = [name for name in generate.REPOSITORIES if both.project(name)]
    repositories = generator.some(single, 2, 3)
    refs = generator.some(generate.REFS, 10, 10)
    some = [[{"path": path, "link": generator.chance(30)}] for path in generator.some(generate.PATHS, 3, 3)]
    times = generator.some(instants(), 3, 3)
    for user, repository, action, time in itertools.product(users, repositories, ACTIONS, times):
        question = {"repository": repository, "action": action, "time": time.isoformat()}
        if user is not None:
            question["user"] = user
        if action == "read":
            yield question
            continue
        if user is None:
            continue
        for ref in refs:
            yield {**question, "ref": ref}
            if action != "delete":
                for paths in ([], *some):
                    yield {**question, "ref": ref, "paths": paths}


def told(report):
    """What is reported: user, project, action, and which way."""
    found = set()
    for change in report["changes"]:
        users = [*change["users"], *([None] if change["anonymous"] else [])]
        for one in itertools.product(users, change["projects"], change["actions"]):
            found.add((*one, change["change"]))
    return found


def ref_told(text, user, ref):
    """Whether a line's pattern, or all of those that it says hold together, match the ref. How a pattern over
    full names is told does not say that it is one."""
    def one(part):
        if part == "any ref":
            return True
        if part == "any branch or tag":
            return ref.startswith(oracle.NAMED)
        if part.startswith("tags "):
            return oracle.matches(part[len("tags "):], user, ref, b"refs/tags/")
        return any(oracle.matches(part, user, ref, prefix) for prefix in (b"refs/heads/", b""))

    return all(one(part) for part in text.split(" within "))


def path_told(text, user, change):
    def one(part):
        if part == "any path":
            return True
        return oracle.matches(part, user, change["path"].encode()) or (
            change["link"] and oracle.below(part, user, change["path"].encode())
        )

    return all(one(part) for part in text.split(" within "))


def in_repositories(change, repository):
    """Whether a line is about this repository of its project."""
    if not isinstance(change["repositories"], dict):
        return True
    (key, patterns), = change["repositories"].items()
    return (key == "matching") == any(oracle.glob_matches(one, repository.encode()) for one in patterns)


def has(change, question, project, levels):
    """Whether a line has a question that is answered otherwise: person, place, action, ref, paths and time."""
    user = question.get("user")
    if user not in change["users"] and not (user is None and change["anonymous"]):
        return False
    if [change["before"], change["after"]] != levels or question["action"] not in change["actions"]:
        return False
    if project not in change["projects"] or not in_repositories(change, question["repository"]):
        return False
    since = change["from"]
    if since and datetime.datetime.fromisoformat(since) > datetime.datetime.fromisoformat(question["time"]):
        return False
    if question["action"] == "read":
        return True
    ref = question["ref"].encode()
    if change["refs"] and not any(ref_told(text, user, ref) for text in change["refs"]):
        return False
    paths = change["paths"]
    if paths is None or question["action"] == "delete":
        return paths is None
    if "paths" not in question:
        return paths["changed"] == "unknown"
    if not question["paths"]:
        return paths["changed"] == "nothing"
    if paths["changed"] != "path":
        return False
    told_paths = paths["patterns"]
    return not told_paths or all(any(path_told(text, user, one) for text in told_paths) for one in question["paths"])


def unescaped(text):
    return text.encode().decode("unicode_escape").encode("latin-1").decode()


def example(change, user, action, repository):
    """The question that a change gives as its example."""
    question = {"repository": repository, "action": action, "time": change["from"] or NOW.isoformat()}
    if user is not None:
        question["user"] = user
    if action != "read":
        question["ref"] = unescaped(change["example_ref"])
    paths = change["paths"]
    if paths is None or paths["changed"] == "nothing":
        question["paths"] = []
    elif paths["changed"] == "path":
        question["paths"] = [{"path": unescaped(paths["example"]), "link": paths["link"]}]
    return question


def invented(change, both):
    """Why a change is none: its example shows it for nobody. People and projects that are told together
    share one example, so it need not be everybody's."""
    users = [*change["users"], *([None] if change["anonymous"] else [])]
    wanted, seen = [change["before"], change["after"]], None
    for user, project, action in itertools.product(users, change["projects"], change["actions"]):
        given = change["example_repository"]
        try:
            named = [unescaped(given)] if given else []
        except UnicodeError:
            return
        # People and projects that are told together share the example, so that it may be another's.
        others = [name for name in generate.REPOSITORIES if in_repositories(change, name)]
        for repository in named + others:
            if both.project(repository) != project:
                continue
            try:
                asked = example(change, user, action, repository)
            except UnicodeError:
                # A name that is not UTF-8 can't be asked about here.
                return
            seen = (asked, wanted, both.levels(asked))
            if seen[2] == wanted:
                return
    if seen:
        yield seen


def disorderly(text, generator):
    """The same policy, its keys shuffled, in random spacing, with comments."""
    chance, count = generator.chance, itertools.count()

    def comment():
        return f"# note{next(count)}." + ("" if chance(50) else " with \"quotes\" = [and] more")

    def spaced(line):
        key, value = line.split(" = ", 1)
        if value.startswith("[") and value.endswith("]") and chance(30):
            words = value[1:-1].replace(", \"", f",{comment() if chance(50) else ''}\n \"")
            value = f"[\n{words}  {comment() if chance(50) else ''}\n]"
        line = key + generator.random.choice(("=", " =", "  =   ", " = ")) + value
        return line + (generator.random.choice(("", " ", "      ")) + comment() if chance(25) else "")

    lines = []
    for table in re.split(r"(?m)^(?=\[)", text):
        head, *body = table.rstrip("\n").split("\n")
        if " = " in head:
            head, body = "", [head, *body]
        body = [spaced(line) for line in body if line]
        generator.random.shuffle(body)
        lines += [head, *(("\n\n\n" if chance(10) else "") + (comment() + "\n" if chance(15) else "") + line for line in body)]
        lines += [""] * generator.random.choice((0, 1, 3))
    return "\n".join(lines)


def laid_out(program, policy, generator):
    """What is wrong about the layout of a policy."""
    text = disorderly(generate.written(policy), generator)

    def run(given):
        done = subprocess.run([program, "policy", "fmt", "-"], input=given.encode(), capture_output=True, check=False)
        return done.stdout.decode() if done.returncode == 0 else f"error = {json.dumps(done.stderr.decode())}\n"

    laid = run(text)
    if tomllib.loads(laid) != tomllib.loads(text):
        yield f"another meaning: {laid}"
    if run(laid) != laid:
        yield f"not the same a second time: {laid}"
    notes = [sorted(re.findall(r"# note[0-9]+\.", one)) for one in (text, laid)]
    if notes[0] != notes[1]:
        yield f"lost or doubled {set(notes[0]) ^ set(notes[1])}"


def compare(program, seed, folder):
    """Prints what is wrong about one seed; whether anything is, `None` where the pair is not valid."""
    generator = generate.Generator(random.Random(seed))
    old = without_hours(generator.policy())
    for name in ("R", "Q"):
        old["projects"][name]["repositories"] = [name.lower(), f"{name.lower()}/**"]
    new = changed(old, generator)
    files = []
    for name, policy in (("old.toml", old), ("new.toml", new)):
        files.append(os.path.join(folder, name))
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write(generate.written(policy))
    done = subprocess.run(
        [program, "--json", "policy", "diff", "--at", NOW.isoformat(), *files],
        capture_output=True, text=True, check=False,
    )
    if done.returncode not in (0, 3):
        if '"RW663"' in done.stdout:
            return None
        print(f"seed {seed}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return True
    report, both, wrong = json.loads(done.stdout), Both(old, new), []
    if any("too large" in note["text"] for note in report["notes"]):
        return None
    wrong += laid_out(program, new, generator)
    reported = told(report)
    for question in questions(generator, both):
        before, after = both.levels(question)
        if before != after:
            way = "gains" if LEVELS[before] < LEVELS[after] else "loses"
            who = (question.get("user"), both.project(question["repository"]), question["action"], way)
            project = both.project(question["repository"])
            if who not in reported:
                wrong.append(f"missed {who}: {question}: {before}, then {after}")
            elif not any(has(change, question, project, [before, after]) for change in report["changes"]):
                wrong.append(f"no line has {question}: {before}, then {after}")
    for change in report["changes"]:
        wrong += [f"invented {one}" for one in invented(change, both)]
    widened = any(one["change"] == "gains" for one in report["changes"])
    widened = widened or any(note["widens"] for note in report["notes"])
    if report["widened"] != widened or (done.returncode == 3) != widened:
        wrong.append(f"exit code {done.returncode}, widened {report['widened']}")
    if wrong:
        print(f"seed {seed}:", *wrong[:5], sep="\n  ", flush=True)
    return bool(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first seed that differs")
    given = parser.parse_args()
    count = {True: 0, False: 0, None: 0}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.start, given.start + given.seeds):
            found = compare(os.path.abspath(given.program), seed, folder)
            count[found] += 1
            if found and not given.keep_going:
                break
    print(f"{count[None]} pairs left out: not valid, or too large to compare")
    print(f"{count[False]} passed, {count[True]} failed")
    return 1 if count[True] or not count[False] else 0


if __name__ == "__main__":
    sys.exit(main())
