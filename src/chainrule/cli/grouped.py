"""Help in which the options of a command stand under headings."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

OTHERS = "Running"  # the heading of options that were given none


class Grouped(TyperCommand):
    """A command whose help shows the options under the headings they were given."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the groups of options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, words = (
                record[0],
                record[1].replace("\\[", "["),
            )  # as some versions of typer escape
            heading = getattr(parameter, "rich_help_panel", None) or OTHERS
            if parameter.param_type_name == "argument":
                name, words, heading = name.split(" ")[0], words.split("  [")[0], "Arguments"
            # a no-break space keeps a default on one line
            words = words.replace("[default: ", "[default:\u00a0")
            groups.setdefault(heading, []).append((name, words))
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records, col_max=24)
