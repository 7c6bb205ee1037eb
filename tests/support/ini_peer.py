"""Reads many INI files with Python's configparser and tells what it made of them.

Usage: ini_peer.py FOLDER

Each case is a folder in FOLDER with the files `1.conf` and perhaps `2.conf`, which are read in this order into one
ConfigParser, as Koji reads its files. Standard output is one JSON object: case -> {"error": CLASS, "lines": [...]} or
{"sections": {NAME: {KEY: {"raw": ..., "value": ... | "error": CLASS, "boolean": ...}}}, "defaults": {KEY: RAW}}.
"""

import configparser
import json
import os
import sys


def option(parser, section, key):
    told = {"raw": parser.get(section, key, raw=True)}
    try:
        told["value"] = parser.get(section, key)
    except configparser.Error as error:
        told["error"] = type(error).__name__
        return told
    try:
        told["boolean"] = parser.getboolean(section, key)
    except ValueError:
        told["boolean"] = None
    try:
        told["int"] = int(told["value"])
    except ValueError:
        told["int"] = None
    return told


def lines_of(error):
    if isinstance(error, configparser.ParsingError) and not isinstance(error, configparser.MissingSectionHeaderError):
        return [line for line, _ in error.errors]
    return [error.lineno] if hasattr(error, "lineno") else []


def read(folder):
    parser = configparser.ConfigParser()
    try:
        parser.read([os.path.join(folder, name) for name in ("1.conf", "2.conf")], encoding="utf8")
    except (configparser.Error, UnicodeDecodeError) as error:
        return {"error": type(error).__name__, "lines": lines_of(error)}
    sections = {
        section: {key: option(parser, section, key) for key in parser.options(section)} for section in parser.sections()
    }
    return {"sections": sections, "defaults": dict(parser.defaults())}


def main():
    top = sys.argv[1]
    json.dump({case: read(os.path.join(top, case)) for case in os.listdir(top)}, sys.stdout)


main()
