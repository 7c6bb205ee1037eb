"""Fails, and says why, unless every program of peers.txt is there in that version and can be imported."""
import importlib
import importlib.metadata
import pathlib
import re
import sys

MODULES = ['koji', 'pyrpkg', 'dockerfile_parse', 'requests_gssapi', 'yaml', 'cyclonedx.validation.json', 'kubernetes']


def main():
    wanted = pathlib.Path(__file__).with_suffix('.txt').read_text()
    for name, version in re.findall(r'^([\w.-]+)(?:\[.*\])?==(.*)$', wanted, re.MULTILINE):
        there = importlib.metadata.version(name)
        if there != version:
            sys.exit(f'{name} is {there}, not {version}')
    for module in MODULES:
        importlib.import_module(module)


main()
