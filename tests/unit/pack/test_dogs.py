"""Each dog alone: what it remarks on, what it leaves alone, and where it does not vote."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest

from cynic.domains.core.dimensions import AXIOM_OF
from cynic.domains.dogs.pack import DOGS
from cynic.pack import analyst, janitor, look, rules, together
from cynic.pack.kinds import item_type_of, kind_of
from cynic.pack.run import judge_text
from cynic.pack.source import named

if TYPE_CHECKING:
    from pathlib import Path

    from cynic.pack.look import Look

GOOD = '"""Add numbers."""\n\n\ndef add(first: int, second: int) -> int:\n    """The sum."""\n    return first + second\n'


def seen(dog: str, content: str, file_name: str = "x.py") -> Look:
    return importlib.import_module(f"cynic.pack.{dog.lower()}").read(named(file_name, content))


def guardian(content: str) -> dict[str, object]:
    """Guardian's vote, from the process it works in."""
    votes = judge_text(content, file_name="x.py").votes
    return {"veto": False, **next(vote for vote in votes if vote["dog"] == "Guardian")}


@pytest.mark.parametrize(
    "content",
    [
        'PASSWORD = "w1nter-Sunrise"\n',
        'def connect(password="w1nter-Sunrise"):\n    return password\n',
        "def run(text):\n    return eval(text)\n",
        "def run(text):\n    exec(text)\n",
        "import subprocess\n\n\ndef run(name):\n    subprocess.run(f'ls {name}', shell=True)\n",
        "import subprocess\n\nsubprocess.run('ls', shell=True)\n",
        "import os\n\n\ndef run(name):\n    os.system('ls ' + name)\n",
        "import hashlib\n\n\ndef digest(text):\n    return hashlib.md5(text)\n",
        "import pickle\n\n\ndef load(text):\n    return pickle.loads(text)\n",
        "import yaml\n\n\ndef load(text):\n    return yaml.load(text, Loader=yaml.Loader)\n",
        "def find(conn, name):\n    query = 'SELECT * FROM t WHERE n = %s' % name\n    return conn.execute(query)\n",
        "def find(conn, name):\n    conn.execute(f'SELECT * FROM t WHERE n = {name}')\n",
        "def run(text):\n    return eval(text)  # nosec\n",
        "import requests\n\n\ndef get(url):\n    return requests.get(url, verify=False, timeout=3)\n",
        "KEY = '-----BEGIN OPENSSH PRIVATE KEY-----'\n",
    ],
)
def test_guardian_vetoes(content: str) -> None:
    found = guardian(content)
    assert (found["veto"], found["score"]) == (True, 0.3), found
    assert "w1nter" not in str(found["reasoning"])


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        "import hashlib\n\n\ndef digest(text):\n    return hashlib.md5(text, usedforsecurity=False)\n",
        "import subprocess\n\nsubprocess.run(['/bin/ls'], check=True)\n",
        "TEXT = 'select one of %s from the list' % 3\n",
        "PASSWORD = ''\n",
        "import urllib.request\n\nurllib.request.urlopen('https://example.org')\n",
    ],
)
def test_guardian_lets_pass(content: str) -> None:
    found = guardian(content)
    assert not found["veto"], found
    assert float(str(found["score"])) > 0.382


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        "key AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "glpat-" + "a1B2c" * 4,
        "xoxb-" + "1234567890-abc",
        "AIza" + "a1B2c" * 7,
        "sk_live_" + "a1B2" * 5,
        "sk-proj-" + "a1B2" * 10,
        "npm_" + "a1B2" * 9,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJl",
        "postgresql://app:w1nterSunrise@db.example/app",
    ],
)
@pytest.mark.parametrize("file_name", ["notes.md", "settings.yaml", "main.go"])
def test_guardian_finds_secrets_in_any_text(line: str, file_name: str) -> None:
    found = seen("Guardian", f"one\n{line}\n", file_name)
    assert (found.veto, found.lines) == (True, (2,))


def test_guardian_does_not_acquit_what_it_cannot_read() -> None:
    assert seen("Guardian", "All is well.\n", "notes.md").outcome == "silent"
    assert seen("Guardian", "password = 'changeme-example'\n", "app.js").outcome == "silent"
    assert seen("Guardian", "password = 'w1nterSunrise'\n", "app.js").veto
    assert seen("Guardian", "eval(x\n").outcome == "failed"


def ruled(content: str, *found: tuple[str, int], dog: str = "janitor") -> Look:
    output = "[" + ",".join(f'{{"code": "{c}", "message": "m", "location": {{"row": {n}}}}}' for c, n in found) + "]"  # fmt: skip
    source = named("x.py", content)
    listed = rules.findings(source, output)
    return (janitor if dog == "janitor" else analyst).read(source, listed)


def test_ruffs_findings_are_parted_between_janitor_and_analyst() -> None:
    mixed = (("F401", 1), ("W291", 2), ("F821", 3), ("E722", 4), ("B006", 5))
    tidy, wrong = ruled(GOOD, *mixed), ruled(GOOD, *mixed, dog="analyst")
    assert tidy.lines == (1, 2)
    assert wrong.lines == (3, 4, 5)
    assert all(wrong.dimensions[name] < 100 for name in ("COHERENCE", "ACCURACY", "PRECISION", "TRANSPARENCY"))  # fmt: skip
    assert ruled(GOOD).score == ruled(GOOD, dog="analyst").score == 1


def test_janitor_counts_in_any_text() -> None:
    found = seen_text("a \n\tb\n  c", "x.js")
    assert "line 1 ends in blanks" in found.said
    assert "has no line end" in found.said
    assert "tabs" in found.said
    assert seen_text("One line.  \nAnother.\n", "x.md").score == 1
    block = "".join(f"this is line number {n}\n" for n in range(8))
    assert "8 lines repeated" in seen_text(block + "between\n" + block, "x.js").said


def seen_text(content: str, file_name: str, dog: str = "janitor") -> Look:
    return (janitor if dog == "janitor" else analyst).read(named(file_name, content), [])


def test_analyst_compares_brackets_links_and_fences() -> None:
    assert seen_text("f(a, [1, 2]);\n// )\n", "x.js", "analyst").score == 1
    assert "} closes nothing" in seen_text("f(a, [1, 2}\n", "x.js", "analyst").said
    assert seen_text("# A b\n\n[x](#a-b)\n", "x.md", "analyst").score == 1
    assert "#gone" in seen_text("# A\n\n[x](#gone)\n", "x.md", "analyst").said
    assert "never closed" in seen_text("```\ncode\n", "x.md", "analyst").said
    assert seen_text("Just words.\n", "x.md", "analyst").outcome == "silent"


def test_architect_measures_depth_length_and_complexity() -> None:
    deep = "def f(x):\n" + "".join(f"{'    ' * n}if x > {n}:\n" for n in range(1, 7)) + "    " * 7 + "return 1\n"  # fmt: skip
    found = seen("Architect", deep)
    assert "f nests 6 deep" in found.said
    chain = "def f(x):\n    if x == 0:\n        return 0\n" + "".join(
        f"    elif x == {n}:\n        return {n}\n" for n in range(1, 9)
    )
    assert "nesting 1," in seen("Architect", chain).said
    long = "def f(x):\n" + "    x += 1\n" * 200
    assert "f has 201 lines" in seen("Architect", long).said
    assert seen("Architect", GOOD).score == 1
    assert seen("Architect", "words", "x.md").outcome == "silent"


def test_sage_reads_names_and_sentences() -> None:
    found = seen("Sage", "def doIt(a, tmp2):\n    q = a\n    return q, tmp2\n")
    assert all(name in found.said for name in ("doIt", "line 1 a says", "tmp2", "q says"))
    assert seen("Sage", GOOD).score == 1
    short = "Cats sleep. Dogs run in the park. " * 5
    assert seen("Sage", short, "x.md").score == 1
    assert seen("Sage", "word " * 120 + ".", "x.md").score < 0.3
    assert seen("Sage", "猫は眠る。犬は走る。" * 20, "x.md").outcome == "silent"


def test_scholar_counts_docstrings_and_references() -> None:
    found = seen("Scholar", "def add(a, b):\n    return a + b\n\n\ndef _hidden():\n    return 1\n")
    assert "docstrings on 0 of 2" in found.said
    assert "docstrings on 2 of 2" in seen("Scholar", GOOD).said
    assert seen("Scholar", "word " * 600, "x.md").score == 0.2
    assert seen("Scholar", "word " * 300 + "[a](https://b.example) [c](d.md)", "x.md").score == 1
    assert seen("Scholar", "word", "x.md").outcome == "silent"


def test_scout_finds_marks_stubs_and_dead_code() -> None:
    found = seen(
        "Scout",
        "import abc\n\n\ndef f():\n    return 1  # TODO: more\n    print()\n\n\ndef g():\n    pass\n\n\ndef _h():\n    return 2\n",
    )
    for what in ("marked TODO", "unreachable", "g has no body", "unused function _h", "import abc"):
        assert what in found.said
    assert seen("Scout", "def todo():\n    return 'TODO'\n").score == 1
    protocol = "class P(Protocol):\n    def f(self):\n        ...\n"
    assert "0 marks" in seen("Scout", protocol).said
    assert "leaves a section empty" in seen("Scout", "# A\n\n## B\n\n## C\n\ntext\n", "x.md").said
    assert "lorem ipsum" in seen("Scout", "# A\n\nlorem ipsum dolor\n", "x.md").said


def test_deployer_compiles_and_finds_what_ties_to_one_machine() -> None:
    assert seen("Deployer", "def f(:\n").score == 0
    assert "line 1" in seen("Deployer", "def f(:\n").said
    assert "/home/ada" in seen("Deployer", "P = '/home/ada/x'\n").said
    assert "C:/Users" in seen("Deployer", "const p = 'C:/Users/x'\n", "x.js").said
    assert "calls breakpoint" in seen("Deployer", "breakpoint()\n").said
    assert "prints to debug" in seen("Deployer", "x = 1\nprint(f'{x=}')\n").said
    assert "console.log" in seen("Deployer", "console.log(1)\n", "x.js").said
    assert seen("Deployer", '{"a": ', "x.json").score == 0
    assert seen("Deployer", '{"a": 1}', "x.json").score == 1
    assert seen("Deployer", "a = [", "x.toml").score == 0
    assert seen("Deployer", "a: [", "x.yaml").score == 0
    assert seen("Deployer", "words", "x.md").outcome == "silent"


def test_deployer_only_compiles(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    judge_text(f"open({str(marker)!r}, 'w').close()\n", file_name="x.py")
    assert not marker.exists()


def test_cartographer_draws_the_outline() -> None:
    assert seen("Cartographer", GOOD).score == 1
    assert "f spans 202 lines" in seen("Cartographer", "def f(x):\n" + "    x += 1\n" * 201).said
    assert "imports below" in seen("Cartographer", GOOD + "\n\nimport os\n").said
    assert "imports everything" in seen("Cartographer", "from os import *\n").said
    assert seen("Cartographer", "word " * 200, "x.md").score < 0.5
    assert "jumps from heading 1 to 3" in seen("Cartographer", "# A\n\n### B\n\nx\n", "x.md").said
    assert "2 headings" in seen("Cartographer", "A title\n=======\n\nx\n\n## B\n\n```\n# no\n```\n", "x.md").said  # fmt: skip


def test_oracle_and_cynic_measure_the_others() -> None:
    looks = [look.vote("Sage", 0.9, "s"), look.vote("Janitor", 0.4, "j"), look.failed("Scout", "x")]
    assert together.oracle(looks).score == 0.4
    remark = look.Remark(line=3, weight=1, text="t")
    dirty = [look.vote("Sage", 0.9, "s", remarks=[remark]), look.vote("Janitor", 0.9, "j", remarks=[remark])]  # fmt: skip
    found = together.cynic(dirty, 4)
    assert "1 of 4 lines remarked on, 1 by several" in found.said
    assert found.score < together.cynic(looks[:1], 4).score
    assert together.cynic([], 1).outcome == together.oracle([]).outcome == "silent"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.py", "", "python"),
        ("A.PY", "", "python"),
        ("tool", "#!/usr/bin/env python3\n", "python"),
        ("tool", "#!/bin/sh\n", "code"),
        ("a.rs", "", "code"),
        ("Makefile", "", "code"),
        ("a.json", "", "data"),
        ("a.md", "import os\n", "prose"),
        ("", "import os\nos.abort()\n", "python"),
        ("", "def f(x):\n    return eval(x)\n", "python"),
        ("", "import os\nis what one writes.\n", "prose"),
        ("", "To be or not to be.\n", "prose"),
    ],
)
def test_the_kind_of_a_text(name: str, content: str, kind: str) -> None:
    assert kind_of(name, content) == kind
    assert item_type_of(kind_of(name, content)) == (
        "code" if kind in {"python", "code"} else "text"
    )


@pytest.mark.parametrize(
    ("content", "file_name"),
    [
        (GOOD, "x.py"),
        ("def f(:\n", "x.py"),
        ("# A\n\nSome words.\n", "x.md"),
        ('{"a": 1}\n', "x.json"),
        ("function f() {\n  return 1;\n}\n", "x.js"),
        ("\n", "x.py"),
        ("\ufeff" + GOOD, "x.py"),
        (GOOD.replace("\n", "\r\n"), "x.py"),
    ],
)
def test_every_dog_votes_or_says_why_not(content: str, file_name: str) -> None:
    reading = judge_text(content, file_name=file_name)
    voted = [vote["dog"] for vote in reading.votes]
    assert sorted([*voted, *reading.silent]) == sorted(DOGS)
    assert reading.dimensions.keys() <= AXIOM_OF.keys()
    assert all(0 <= value <= 100 for value in reading.dimensions.values())
    for vote in reading.votes:
        if "error" not in vote:
            assert re.search(r"\d|does not parse|parses|compile", str(vote["reasoning"])), vote


def test_a_good_file_is_good_however_its_lines_end() -> None:
    for content in (GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n")):
        reading = judge_text(content, file_name="x.py")
        assert reading == judge_text(GOOD, file_name="x.py")
        assert min(reading.dimensions.values()) > 80
