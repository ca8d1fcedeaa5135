"""A group of commands that answers a name it lacks with the nearest ones."""

from __future__ import annotations

import click


class Group(click.Group):
    """A click group whose refusal of an unknown command names what there is."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named first. InputError with the nearest names for one that there is not."""
        name = args[0] if args else ""
        known = self.list_commands(ctx)
        if name and not name.startswith("-") and name not in known:
            from hwmodel.errors import unknown

            kind = "command" if ctx.parent is None else f"command of {ctx.info_name}"
            raise unknown(kind, name, known)
        return super().resolve_command(ctx, args)
