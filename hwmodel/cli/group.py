"""Groups of commands: an unknown name is answered with the nearest, an option given twice or empty is refused."""

from __future__ import annotations

import click

from hwmodel.cli.help_text import Context
from hwmodel.errors import InputError, unknown

LONGEST = 300  # signs of a command's first sentence


def _spelled(word: str, names: list[str]) -> bool:
    """Whether a word of the command line is one of these options, with or without `=value`."""
    return word.partition("=")[0] in names and word.startswith("-")


def check_words(command: click.Command, words: list[str]) -> None:
    """Raises InputError for an option that is given twice, switched both on and off, or given an empty value."""
    ended = words.index("--") if "--" in words else len(words)
    for option in (p for p in command.params if isinstance(p, click.Option)):
        on = [w for w in words[:ended] if _spelled(w, option.opts)]
        off = [w for w in words[:ended] if _spelled(w, option.secondary_opts)]
        if on and off:
            raise InputError(f"{on[0]} and {off[0]} contradict each other: give one of them")
        if len(on) > 1 and not option.multiple and not option.is_flag and not option.count:
            raise InputError(f"{option.opts[-1]} stands {len(on)} times: give it once")
    for before, word in zip(["", *words], words, strict=False):
        name = before if not word.strip() else word.rstrip("=")
        if not word.strip() or (word.startswith("--") and word.endswith("=")):
            raise InputError(f"{name or 'a word'} is empty: give a value or leave it out")


class CommandGroup(click.Group):
    """A click group whose refusal of an unknown command names what there is, and whose help fits its terminal."""

    context_class = Context

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, each with the whole first sentence of its help."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, one.get_short_help_str(limit=LONGEST)) for name, one in found if one and not one.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named first. InputError with the nearest names for one that there is not."""
        name = args[0] if args else ""
        known = self.list_commands(ctx)
        if name and not name.startswith("-") and name not in known:
            kind = "command" if ctx.parent is None else f"command of {ctx.info_name}"
            raise unknown(kind, name, known)
        found, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, click.Group):
            command.context_class = Context
            check_words(command, rest)
        return found, command, rest
