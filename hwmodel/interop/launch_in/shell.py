"""A launch script read without running it: its variables, and every `--flag value` that it would pass on."""

from __future__ import annotations

import ast
import operator
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hwmodel.errors import InputError
from hwmodel.interop.launch_in.settings import counted

_ASSIGNMENT = re.compile(r"^(?:export\s+|local\s+|readonly\s+|declare\s+(?:-\w+\s+)?)*([A-Za-z_]\w*)\+?=(.*)$", re.S)
_REFERENCE = re.compile(r"\$\{(\w+)(?::?[-=]([^}]*))?\}|\$(\w+)")
_ARITHMETIC = re.compile(r"\$\(\((.*?)\)\)")
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Div: operator.floordiv,
}  # fmt: skip


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """Flags with their values (none for a switch), `#SBATCH` directives, and variables."""

    path: Path
    flags: dict[str, list[str]]
    directives: dict[str, str]
    variables: dict[str, str]

    def value(self, flag: str) -> str | None:
        """The one value of a flag; None where the flag is absent. InputError where it has none or several."""
        values = self.flags.get(flag)
        if values is None:
            return None
        if len(values) != 1:
            raise InputError(f"{self.path}: {flag} takes one value, has {len(values)}: {' '.join(values) or 'none'}")
        if "$" in values[0]:
            raise InputError(f"{self.path}: {flag} is {values[0]}, which the file does not set; write the number")
        return values[0]

    def number(self, flag: str, default: int | None = None) -> int | None:
        """A whole number."""
        text = self.value(flag)
        if text is None:
            return default
        try:
            return int(float(text)) if float(text).is_integer() else int(text)
        except ValueError:
            raise InputError(f"{self.path}: {flag} {text!r} is no whole number") from None

    def count(self, flag: str, default: int = 1) -> int:
        """A count, from 1 on. InputError for what is none."""
        found = self.number(flag)
        return default if found is None else counted(found, flag, self.path)

    def has(self, flag: str) -> bool:
        return flag in self.flags


def read_script(text: str, path: Path) -> Script:
    """Read a shell script. InputError for a flag that stands twice with different values."""
    variables: dict[str, str] = {}
    directives: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for spaced in _logical_lines(text, directives):
        line = _ARITHMETIC.sub(lambda m: "".join(m[0].split()), spaced)  # $((A * B)) is one word
        assigned = _ASSIGNMENT.match(line)
        if assigned is not None and not assigned[2].startswith("("):
            words = _assigned(assigned[1], _words(assigned[2]), variables)
        else:
            words = _words(assigned[2].strip().removeprefix("(").removesuffix(")") if assigned else line)
        for flag, values in _flags([each for word in words for each in _expanded(word, variables)]):
            if flag in found and found[flag] != values:
                raise InputError(
                    f"{path}: {flag} stands twice, with {' '.join(found[flag]) or 'nothing'} and "
                    f"{' '.join(values) or 'nothing'}; keep the one that runs"
                )
            found[flag] = values
    return Script(path=path, flags=found, directives=directives, variables=variables)


def _assigned(name: str, words: list[str], variables: dict[str, str]) -> list[str]:
    """Sets a variable to the first word, and those that the words after it set; words that may hold flags."""
    variables[name] = _resolved(" ".join(words[:1]), variables)
    flags, rest = _words(variables[name]) if words[:1] and "--" in words[0] else [], words[1:]
    further = _ASSIGNMENT.match(rest[0]) if rest else None  # TP=4 PP=2 torchrun ...
    if further is not None:
        rest = _assigned(further[1], [further[2], *rest[1:]], variables)
    return [*flags, *rest]


def _commands(line: str) -> Iterator[str]:
    """The parts of a line between semicolons outside quotes and parentheses."""
    quote, depth, start = "", 0, 0
    for i, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == ";" and depth <= 0 and line[i - 1 : i] != "\\":
            yield line[start:i]
            start = i + 1
    yield line[start:]


def _logical_lines(text: str, directives: dict[str, str]) -> Iterator[str]:
    """Commands and assignments, continued lines and arrays joined, comments left out; `#SBATCH` lines are collected."""
    held = ""
    for raw in text.splitlines():
        line = raw.rstrip()
        if line.lstrip().startswith("#SBATCH"):
            name, _, value = line.lstrip()[7:].strip().replace(" ", "=", 1).partition("=")
            directives[name] = value.split("#")[0].strip()
            continue
        line = _without_comment(line)
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        held += line + " "
        if held.count("(") > held.count(")") and re.match(r"\s*(export\s+)?\w+\+?=\(", held):
            continue
        if held.count('"') % 2 and re.match(r"\s*(export\s+)?\w+\+?=", held):
            continue
        yield from filter(None, map(str.strip, _commands(held)))
        held = ""
    yield from filter(None, map(str.strip, _commands(held)))


def _without_comment(line: str) -> str:
    """The line up to a `#` that stands at its start or after a space, outside quotes."""
    quote = ""
    for i, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (i == 0 or line[i - 1].isspace()):
            return line[:i].rstrip()
    return line


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _expanded(word: str, variables: dict[str, str]) -> list[str]:
    """A word with its variables; one that holds a flag and its value, or several flags, is split."""
    text = _resolved(word, variables)
    return _words(text) if text.lstrip().startswith("--") and " " in text.strip() else [text]


def _resolved(text: str, variables: dict[str, str]) -> str:
    """The text with the variables that the file sets, their defaults, and whole-number arithmetic."""

    def reference(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name in variables:
            return variables[name]
        return match[2] if match[2] is not None else match[0]

    for _ in range(4):
        again = _REFERENCE.sub(reference, text)
        if again == text:
            break
        text = again
    return _ARITHMETIC.sub(lambda m: _computed(m[1], variables, m[0]), text)


def _computed(expression: str, variables: dict[str, str], fallback: str) -> str:
    """A product, sum or quotient of whole numbers and variables; the text as it stood where it is none."""

    def value(node: ast.expr) -> int:
        """A whole number. ValueError for what is no arithmetic, KeyError for a variable that is not set."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name):
            return int(variables[node.id])
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return int(_OPERATORS[type(node.op)](value(node.left), value(node.right)))
        raise ValueError(expression)

    try:
        return str(value(ast.parse(expression.replace("$", "").strip(), mode="eval").body))
    except (ValueError, KeyError, SyntaxError, ZeroDivisionError):
        return fallback


def _flags(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """`--flag` with the words up to the next flag, or up to what no value is."""
    flag, values = "", [""][:0]
    for word in words:
        if word.startswith("--") and len(word) > 2:
            if flag:
                yield flag, values
            flag, equals, value = word.partition("=")
            values = [value] if equals else []
        elif flag and (not _ends_values(word) or (not values and re.fullmatch(r"\$\{?\w+\}?", word))):
            values.append(word)
        elif flag:
            yield flag, values
            flag, values = "", []
    if flag:
        yield flag, values


def _ends_values(word: str) -> bool:
    """Whether a word belongs to the shell or is another expansion or a program, not a value of the flag before."""
    return bool(re.fullmatch(r"[|;&)>].*|\$\{?\w+(\[@\])?\}?|\$@|.*\.py|2>.*", word)) or word in ("|", "&&", "tee")
