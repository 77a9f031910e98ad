"""`pointsman completion bash|zsh|fish`: prints a script that completes commands and options in that shell.

bash: source <(pointsman completion bash)
zsh:  source <(pointsman completion zsh)
fish: pointsman completion fish | source
"""

import argparse
import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress

SHELLS = ("bash", "zsh", "fish")


def main(arguments: list[str], commands: Mapping[str, tuple[Callable[[list[str]], int], str]]) -> int:
    """`commands` gives each command's function and summary by its name."""
    parser = argparse.ArgumentParser(
        prog="pointsman completion", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shell", choices=SHELLS)
    shell = parser.parse_args(arguments).shell
    words = {name: words_of(run) for name, (run, _) in commands.items()}
    summaries = {name: summary for name, (_, summary) in commands.items()}
    print({"bash": bash, "zsh": zsh, "fish": fish}[shell](words, summaries))
    return 0


def words_of(run: Callable[[list[str]], int]) -> list[str]:
    """The options of a command, and the words it can be followed by, as its help lists them."""
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(io.StringIO()), _logging_kept(), suppress(SystemExit):
        run(["--help"])
    choices = re.findall(r"^ +\{([\w,-]+)\}", text.getvalue(), re.MULTILINE)
    options = re.findall(r"(?<![\w-])--[a-z][\w-]*", text.getvalue().partition("\noptions:")[2])
    return list(dict.fromkeys([*(word for group in choices for word in group.split(",")), *options]))


@contextmanager
def _logging_kept() -> Iterator[None]:
    """mitmproxy's help leaves handlers and a level behind, which fail at the next record: their loop is closed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def bash(words: Mapping[str, list[str]], summaries: Mapping[str, str]) -> str:
    cases = "\n".join(f"    {name}) words='{' '.join(found)}' ;;" for name, found in words.items())
    return f"""_pointsman() {{
    local words=''
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='{" ".join(summaries)} --help --version'
    else
        case ${{COMP_WORDS[1]}} in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _pointsman pointsman"""


def zsh(words: Mapping[str, list[str]], summaries: Mapping[str, str]) -> str:
    names = "\n".join(f"        {_quoted(f'{name}:{summary}')}" for name, summary in summaries.items())
    cases = "\n".join(f"    {name}) compadd -- {' '.join(found)} ;;" for name, found in words.items())
    return f"""#compdef pointsman
_pointsman() {{
    local -a commands
    commands=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case $words[2] in
{cases}
    esac
    _files
}}
compdef _pointsman pointsman"""


def fish(words: Mapping[str, list[str]], summaries: Mapping[str, str]) -> str:
    lines = [
        f"complete -c pointsman -n __fish_use_subcommand -f -a {name} -d {_quoted(summary)}"
        for name, summary in summaries.items()
    ]
    for name, found in words.items():
        seen = f"complete -c pointsman -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{seen} -l {word[2:]}" if word.startswith("--") else f"{seen} -f -a {word}" for word in found]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """As one word of each of the shells."""
    return "'" + text.replace("'", "’") + "'"
