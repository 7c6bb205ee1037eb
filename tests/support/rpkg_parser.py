"""Parses command lines with rpkg's own parser, without running anything.

Reads a JSON list of command lines (lists of words, the tool's name first) from standard input, and writes for each either
{"args": {...}} or {"error": "...", "exit": N}, as a JSON list.
"""
import configparser
import contextlib
import io
import json
import sys

import pyrpkg.cli

CONFIG = """
[fedpkg]
lookaside = x
lookasidehash = sha512
lookaside_cgi = x
gitbaseurl = ssh://%(user)s@pkgs.example.com/%(repo)s
anongiturl = https://src.example.com/%(repo)s.git
branchre = f\\d\\d
kojiprofile = koji
build_client = koji
distgit_namespaced = True
"""

# flatpak-build exists only where libmodulemd's Python binding does; its parser needs nothing of it.
pyrpkg.cli.Modulemd = pyrpkg.cli.Modulemd or object()


def parse(words):
    sys.argv = words
    config = configparser.ConfigParser()
    config.read_string(CONFIG)
    client = pyrpkg.cli.cliClient(config, name=words[0])
    client.do_imports()
    shown = io.StringIO()
    try:
        with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(io.StringIO()):
            client.parse_cmdline()
    except SystemExit as end:
        text = shown.getvalue()
        return {'error': text.partition(': error: ')[2].strip(), 'exit': end.code or 0}
    return {'args': {k: v for k, v in vars(client.args).items() if k != 'command'}}


json.dump([parse(words) for words in json.load(sys.stdin)], sys.stdout)
