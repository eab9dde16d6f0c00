"""Asks refwarden and the second reading the same questions, and shows where they differ.

Usage: compare.py PROGRAM [--seeds N] [--start S] [--questions Q] [--keep-going]
"""

import argparse
import copy
import datetime
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import generate
import oracle


class Refwarden:
    """The program, asked through its command line."""

    def __init__(self, program, folder):
        self.program = program
        self.file = os.path.join(folder, "policy.toml")

    def put(self, policy):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(generate.written(policy))

    def run(self, *arguments, stdin=""):
        return subprocess.run(
            [self.program, "policy", *arguments], input=stdin, capture_output=True, text=True, check=False
        )

    def check(self, policy):
        """What is wrong with the policy, or nothing."""
        self.put(policy)
        done = self.run("check", self.file)
        return None if done.returncode == 0 else done.stdout + done.stderr

    def ask(self, policy, questions):
        """One answer a question; no answers when the policy is not valid."""
        self.put(policy)
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in questions)
        done = self.run("explain", "--policy", self.file, "--stdin", "--json", stdin=lines)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        return [{key: one.get(key) for key in ("verdict", "code", "would_refuse")} for one in answers]


def expected(policy, questions):
    meaning = oracle.Policy(generate.written(policy))
    now = datetime.datetime.now(datetime.timezone.utc)
    return [meaning.answer(one, now) for one in questions]


def smaller(value):
    """Every form of a policy with one thing less, large things first."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        less = copy.copy(value)
        del less[key]
        yield less
    for key in keys:
        if isinstance(value[key], (dict, list)):
            for part in smaller(value[key]):
                less = copy.copy(value)
                less[key] = part
                yield less


def shrink(policy, fails):
    """The policy with everything taken out that the difference does not need."""
    again = True
    while again:
        again = False
        for less in smaller(policy):
            if fails(less):
                policy, again = less, True
                break
    return policy


def differs(program, question):
    """Whether a policy still shows the difference on this question."""

    def fails(policy):
        try:
            want = expected(policy, [question])
        except (KeyError, IndexError, TypeError, ValueError):
            return False
        got = program.ask(policy, [question])
        return len(got) == 1 and got != want and got[0]["verdict"] is not None

    return fails


def seen_overlap(policy, problems):
    """Whether `check` refused only because projects overlap, and their globs do."""
    codes = set(re.findall(r" error (RW6\d\d)", problems))
    problems = re.sub(r"\\u\{([0-9a-f]+)\}", lambda escaped: chr(int(escaped[1], 16)), problems)
    return codes == {"RW663"} and any(
        1 < sum(
            any(oracle.glob_matches(glob, name.encode()) for glob in project["repositories"])
            for project in policy["projects"].values()
        )
        for name in [*generate.REPOSITORIES, *re.findall(r"both match `([^`]*)`", problems)]
    )


def compare(program, seed, count):
    """Prints the differences of one seed; their number."""
    generator = generate.Generator(random.Random(seed))
    policy = generator.policy()
    questions = generator.questions(policy, count)
    problems = program.check(policy)
    for name in ("R", "Q"):
        if problems and seen_overlap(policy, problems):
            policy["projects"][name]["repositories"] = [name]
            problems = program.check(policy)
    if problems:
        print(f"seed {seed}: refused by policy check\n{problems}")
        return 1
    got, want = program.ask(policy, questions), expected(policy, questions)
    wrong = [one for one in zip(questions, got, want) if one[1] != one[2]]
    if len(got) != len(want):
        print(f"seed {seed}: {len(want)} questions, {len(got)} answers")
        return 1
    shown = set()
    for question, theirs, ours in wrong:
        kind = (theirs["verdict"], theirs["code"], ours["verdict"], ours["code"])
        if kind in shown:
            continue
        shown.add(kind)
        small = shrink(policy, differs(program, question))
        print(f"seed {seed}: {json.dumps(question, ensure_ascii=False)}")
        print(f"refwarden: {program.ask(small, [question])[0]}\nthe text:  {expected(small, [question])[0]}")
        print(generate.written(small), flush=True)
    return len(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first seed that differs")
    given = parser.parse_args()
    same = different = 0
    with tempfile.TemporaryDirectory() as folder:
        program = Refwarden(os.path.abspath(given.program), folder)
        for seed in range(given.start, given.start + given.seeds):
            found = compare(program, seed, given.questions)
            same += found == 0
            different += bool(found)
            if different and not given.keep_going:
                break
    print(f"{same} passed, {different} failed")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
